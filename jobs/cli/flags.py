"""The flags that every command takes, and how words become values."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter, convert

from pipeline.errors import UsageError
from pipeline.execution.threads import available_threads

STDIN_TOKEN = "(standard input)"  # cyclopts takes a lone hyphen for an option.


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ShownConfig:
    """Flags that every command takes."""

    config: Path | None = None
    "A TOML file with values for these flags, at its top level or in a table named like the job."
    log: Literal["text", "json"] = "text"
    "Form of the log lines on standard error."
    json: bool = False
    "Print the result as one JSON object instead of a table."
    debug: bool = False
    "Show the traceback of an error."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CommonConfig(ShownConfig):
    """Flags that every job takes."""

    threads: int = 0
    "Threads to use; 0 for all cores."
    overwrite: bool = False
    "Replace what is in the place of an output already."

    def __post_init__(self) -> None:
        if self.threads < 0:
            raise UsageError(f"--threads {self.threads}: expected 0 or more")

    @property
    def num_threads(self) -> int:
        """Threads to use, at least 1."""
        return available_threads(self.threads)


def convert_token(kind: Any, tokens: Sequence[Any]) -> Any:
    """As cyclopts does, but for whole numbers, of which it would round what has a decimal point."""
    whole = kind is int or int in getattr(kind, "__args__", ())
    for token in tokens if whole else ():
        if "." in token.value:
            raise ValueError(f"expected a whole number, got {token.value}.")
    return convert(kind, tokens)


def _from_token(_type: Any, tokens: Sequence[Any]) -> tuple[str, ...]:
    return tuple("-" if token.value == STDIN_TOKEN else token.value for token in tokens)


CsvPaths = Annotated[
    tuple[str, ...],
    Parameter(
        help="CSV files or glob patterns, plain, .gz or .zst; - is standard input.", negative=(), converter=_from_token
    ),
]
