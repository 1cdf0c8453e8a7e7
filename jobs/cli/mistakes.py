"""What was wrong with a command line, a variable or a config file: where, what was expected, what came, and what was meant perhaps."""

from collections.abc import Sequence
from difflib import get_close_matches

from cyclopts import (
    Argument,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    Token,
    UnknownOptionError,
    UnusedCliTokensError,
)

from jobs.cli.help import HELP_FLAGS, label

_EXPECTED = {int: "a whole number", float: "a number", bool: "true or false"}


def explain(error: CycloptsError, usage: str) -> str:
    """One line about a mistake, for the person who made it.

    Args:
        error: What cyclopts found.
        usage: How the job is called.
    """
    if isinstance(error, UnknownOptionError):
        return _unknown(error)
    if isinstance(error, MissingArgumentError) and error.keyword is not None:
        return f"{error.keyword}: its value is missing"
    if isinstance(error, MissingArgumentError | UnusedCliTokensError) and error.unused_tokens:
        return f"{error.unused_tokens[0]!r} is one too many; usage: {usage}"
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        return f"{label(error.argument)} is missing; usage: {usage}"
    if isinstance(error, RepeatArgumentError):
        return f"{_place(error.token)}: set more than once"
    if isinstance(error, CoercionError) and error.argument is not None and error.token is not None:
        return f"{_place(error.token) or label(error.argument)}: {_expected(error, error.argument, error.token.value)}"
    return " ".join(str(error).split())


def _unknown(error: UnknownOptionError) -> str:
    flags = [flag for each in error.argument_collection if each.index is None for flag in each.names]
    is_flag = error.token.source == "cli"
    known = [*flags, *HELP_FLAGS] if is_flag else [flag.lstrip("-") for flag in flags]
    word = (error.token.keyword or error.token.value).strip("[]").partition("=")[0]
    meant = _meant(word, known)
    if not meant and error.token.source not in {"cli", "env"}:
        meant = "; what other jobs take stands in a table of theirs, such as [encode]"
    return f"{_place(error.token) or word}: there is no such flag{meant}"


def _expected(error: CoercionError, argument: Argument, value: str) -> str:
    if error.msg is not None:
        return str(error.msg).rstrip(".")
    if choices := argument.get_choices(force=True):
        return f"expected one of {', '.join(choices)}, got {value}{_meant(value, choices)}"
    expected = _EXPECTED.get(argument.resolved_hint, "another value")
    return f"expected {expected}, got {value or 'nothing'}"


def _meant(word: str, known: Sequence[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _place(token: Token) -> str:
    """Where a value came from: a flag, a variable, or a key of a config file; nothing for one that is positional."""
    name = (token.keyword or "").strip("[]")
    return name if token.source in {"cli", "env"} else f"{token.source}: {name}"
