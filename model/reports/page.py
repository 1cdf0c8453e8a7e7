"""A page from a template: all that a template writes is escaped and visible, and no script but the page's own can run."""

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from model.reports.words import duration, figure, percent, setting, shorten, size, visible


def render_page(template: str, values: dict[str, Any]) -> bytes:
    """Fill in a template of this folder.

    Args:
        template: Name of its file.
        values: Its variables, a `title` among them; `Markup` goes in as it is, and only charts of our own are that.

    Returns:
        UTF-8.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "bdi": _isolated,
        "percent": percent,
        "figure": figure,
        "size": size,
        "duration": duration,
        "setting": setting,
        "count": lambda number: f"{number:,}",
    }
    script = environment.get_template("sort.js.jinja").render()
    values = values | {
        "script": Markup(script),  # noqa: S704  # it has no variables
        "script_hash": b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    return environment.get_template(template).render(values).encode()


def _finalize(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _isolated(text: str, most: int = 200) -> Markup:
    """Text from the data, at most so long, whose direction of writing ends where it ends."""
    return Markup("<bdi>{}</bdi>").format(shorten(str(text), most))
