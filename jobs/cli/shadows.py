"""Looks, before any package of charmill's is imported, whether Python would take a file of the user's for it.

``python -m`` puts the current folder first on the path, and a `pipeline.py` or `model.py` is nothing rare there. ``charmill JOB`` does not.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

_HOME = Path(__file__).parents[2].resolve()


def _find_shadow() -> str:
    """The file or folder that Python takes for one of the packages; empty where it takes the package itself."""
    for package in ("pipeline", "model"):
        spec = find_spec(package)
        places = [*(spec.submodule_search_locations or ()), spec.origin or package] if spec else [package]
        if Path(places[0]).resolve() != _HOME / package:
            return places[0]
    return ""


def _refuse_shadow() -> None:
    shadow = _find_shadow()
    if not shadow:
        return
    trouble = f"{shadow}: Python takes it for charmill's own package of that name"
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    name = main.name if main else ""
    if not name.startswith("jobs."):
        raise ImportError(f"{trouble}; rename it, or take its folder off the path")
    job = name.split(".")[1].replace("_", "-")
    command = "charmill JOB" if job == "--main--" else f"charmill {job}"
    print(  # noqa: T201
        f"error: {trouble}, as python -m looks in the current folder first; use {command}, or run it in another folder",
        file=sys.stderr,
    )
    raise SystemExit(2)


_refuse_shadow()
