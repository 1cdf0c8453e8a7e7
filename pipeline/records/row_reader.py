"""Readers: all that building and scoring know of the formats of files."""

from collections.abc import Generator, Mapping
from typing import Any, Protocol

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


class RowReader(Protocol):
    """Reads one source, once."""

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
