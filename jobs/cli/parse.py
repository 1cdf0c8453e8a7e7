"""A command line, the environment and a config file become a job's config.

Values come from the dataclass's defaults, then `--config FILE.toml`, then `CHARMILL_*` variables, then flags.
"""

import os
import tomllib
from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar, cast

from cyclopts import App, CycloptsError, Parameter, convert
from cyclopts.config import Dict, Env

from jobs.cli.flags import STDIN_TOKEN, ShownConfig
from pipeline.errors import UsageError, from_os_error

ENV_PREFIX = "CHARMILL_"


class Config(Protocol):
    """What a job's config has in common with all others."""

    @property
    def common(self) -> ShownConfig:
        """The common flags."""
        ...


C = TypeVar("C", bound=Config)


def parse(name: str, config_type: type[C], tokens: Sequence[str]) -> C | None:
    """Make a config; None where help was asked for and printed.

    Args:
        name: As in ``python -m jobs.NAME``, or ``NAME COMMAND``.
        config_type: The job's config, a dataclass; its docstring is the command's help.
        tokens: The command line after the name.

    Raises:
        UsageError: A value is wrong, or the config file cannot be read.
    """
    app = App(
        name=f"python -m jobs.{name}",
        help=config_type.__doc__,
        help_format="plaintext",
        version_flags=[],
        config=[Env(ENV_PREFIX, command=False), *_config_file(name.partition(" ")[0], tokens)],
        default_parameter=Parameter(converter=_convert),
        result_action="return_value",
    )

    def command(config: C) -> C:
        return config

    command.__annotations__ = {"config": Annotated[config_type, Parameter(name="*")], "return": config_type}
    if all(
        field.default is not MISSING or field.default_factory is not MISSING
        for field in fields(cast("Any", config_type))
    ):
        command.__defaults__ = (config_type(),)  # cyclopts wants it where no flag is required.
    app.default(command)
    quoted = [STDIN_TOKEN if token == "-" else token for token in tokens]
    try:
        result = app(quoted, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        message = " ".join(str(error).split())
        raise UsageError(f"{message} See python -m jobs.{name} --help") from error
    return result if isinstance(result, config_type) else None


def _convert(kind: Any, tokens: Sequence[Any]) -> Any:
    """Convert as cyclopts does, but for whole numbers, of which it would round what has a decimal point."""
    whole = kind is int or int in getattr(kind, "__args__", ())
    for token in tokens if whole else ():
        if "." in token.value:
            raise ValueError(f"expected a whole number, got {token.value}.")
    return convert(kind, tokens)


def _config_file(name: str, tokens: Sequence[str]) -> list[Dict]:
    """The values of a TOML file for a job: those at its top level, then those in the table of that name."""
    path = os.environ.get(f"{ENV_PREFIX}CONFIG", "")
    for index, token in enumerate(tokens):
        if token == "--config" and index + 1 < len(tokens):
            path = tokens[index + 1]
        elif token.startswith("--config="):
            path = token.removeprefix("--config=")
    if not path:
        return []
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise from_os_error(error, "read", path) from error
    except ValueError as error:
        raise UsageError(f"{path}: it is not TOML: {error}", path=path) from error
    table = content.get(name, {})
    values = {key: value for key, value in content.items() if not isinstance(value, dict)}
    if isinstance(table, dict):
        values |= table
    return [Dict(values, source=path)]
