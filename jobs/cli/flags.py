"""The flags that every command takes, and the word for the CSVs of those that read some."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from jobs.cli.help import INPUT, OUTPUT, RARE, RUNNING
from pipeline.errors import UsageError
from pipeline.execution.threads import available_threads

STDIN_TOKEN = "(standard input)"
"""Stands in for a lone hyphen on the way through cyclopts, which would take it for an option."""


@Parameter(name="*")
@RUNNING
@dataclass(frozen=True, kw_only=True)
class ShownConfig:
    """Flags that every command takes: what it shows, and where its values come from."""

    config: Annotated[Path | None, Parameter(metavar="FILE")] = None
    "A TOML file with values of flags, flat or in a table for each job."
    json: bool = False
    "Print the result as one JSON object instead of a table."
    log: Annotated[Literal["text", "json"], RARE] = "text"
    "Form of the log lines on standard error."
    debug: Annotated[bool, RARE] = False
    "Show the traceback of an error."


@Parameter(name="*")
@RUNNING
@dataclass(frozen=True, kw_only=True)
class ThreadsConfig(ShownConfig):
    """Flags that every job takes: those, and what it works with."""

    threads: int = 0
    "Threads to use; 0 for all cores."

    def __post_init__(self) -> None:
        if self.threads < 0:
            raise UsageError(f"--threads {self.threads}: expected 0 or more")

    @property
    def num_threads(self) -> int:
        """Threads to use, at least 1."""
        return available_threads(self.threads)


@Parameter(name="*")
@RUNNING
@dataclass(frozen=True, kw_only=True)
class CommonConfig(ThreadsConfig):
    """Flags of every job that writes files."""

    overwrite: Annotated[bool, OUTPUT] = False
    "Replace an output that is there already."


def with_hyphen(_type: Any, tokens: Sequence[Any]) -> tuple[str, ...]:
    """Words as they were typed, a lone hyphen as well; a converter for cyclopts."""
    return tuple("-" if token.value == STDIN_TOKEN else token.value for token in tokens)


if TYPE_CHECKING:
    _Path = str
else:
    _Path = Path  # So that shells complete the names of files; the values are strings.

CsvPaths = Annotated[
    tuple[_Path, ...],
    INPUT,
    Parameter(
        name="FILE",
        help="CSV files or glob patterns, plain, .gz or .zst; - is standard input.",
        negative=(),
        converter=with_hyphen,
    ),
]

RunFolder = Annotated[
    Path, INPUT, Parameter(alias="-r", metavar="RUN", help="The trained run: the folder that train wrote.")
]
