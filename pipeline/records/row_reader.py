"""Readers: all that building and scoring know of the formats of files."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl

from pipeline.records.quarantine import Reject
from pipeline.records.rows import Place, RowBlock
from pipeline.records.wanted import Wanted
from pipeline.storage.source import Source


class ScannedBlock(Protocol):
    """Consecutive records of a source, not yet rows.

    A block carries all that it takes to become rows, so it can be pickled, and made into rows by any thread or process.
    """

    @property
    def place(self) -> Place:
        """Where the block begins."""
        ...

    @property
    def end(self) -> Place:
        """Where the next one begins."""
        ...

    def size_bytes(self, row_bytes: int) -> int:
        """What it takes in memory with what is made of it, row_bytes for each row."""
        ...

    def rows(self) -> RowBlock:
        """Make rows and rejects of it."""
        ...

    def rejects(self, reasons: Mapping[int, str]) -> list[Reject]:
        """The rejects of some of its records, in their order; for rows that turn out to be of no use later.

        Args:
            reasons: By the records' numbers.
        """
        ...

    def columns(self) -> Mapping[str, pl.Series]:
        """All columns of its well-formed records, wanted or not, by name: String without nulls. For messages."""
        ...


_PLAIN = {"delimiter": ",", "encoding": "utf-8"}


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a source is written, in the words of the flags; empty is what its format does not leave open.

    Attributes:
        delimiter: What stands between fields.
        encoding: The encoding.
        detected: Which of the two no flag named, so that the source's first bytes told them.
    """

    delimiter: str = ""
    encoding: str = ""
    detected: Sequence[str] = ()

    def surprises(self) -> dict[str, str]:
        """What was detected, for a log; empty where that is plain commas or UTF-8."""
        if all(getattr(self, name) == _PLAIN[name] for name in self.detected):
            return {}
        return {name: {"\t": "tab"}.get(value := getattr(self, name), value) for name in self.detected}


class RowReader(Protocol):
    """Reads one source, once.

    Attributes:
        dialect: How the source is written; known once the first block is there, or the end.
        wanted: The columns that make a row, as `Wanted.in_file` has them; known as early.
    """

    dialect: Dialect
    wanted: Wanted

    def scan(self, start: Place | None = None, end: Place | None = None) -> Generator[ScannedBlock, None, None]:
        """Go through the source's bytes, block by block. Whoever may stop before the end closes the generator, and the source with it.

        Args:
            start: The `end` of a block of an earlier reading of the same bytes; what follows is what followed then. What lies before it is
                not scanned, and not even read where the source can seek and nobody wants its hash (see `Source`).
            end: The `end` of another block; the reading stops there. Where the blocks between are cut may differ, their rows do not.

        Raises:
            CharmillError: The source cannot be opened, or is no such file.
        """
        ...


class RowReaders(Protocol):
    """Makes a reader for each source of a job."""

    def open(self, source: Source, wanted: Wanted) -> RowReader:
        """A reader of a source that has not been read.

        Args:
            source: What to read.
            wanted: The columns that make a row.
        """
        ...

    def describe(self) -> Mapping[str, Any]:
        """All that changes the rows of a source, as JSON."""
        ...
