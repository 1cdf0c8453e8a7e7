"""The formats that there are, and the reader for each source."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.formats.csv.csv_format import CsvFormat
from pipeline.formats.csv.reader import CsvReader
from pipeline.formats.csv.scanner import BLOCK_BYTES
from pipeline.records.row_reader import RowReader
from pipeline.records.wanted import Wanted
from pipeline.storage.source import Source


@dataclass(frozen=True, kw_only=True)
class Formats:
    """How the inputs of a job are read. See `RowReaders`.

    Attributes:
        csv: How its CSVs look.
        block_bytes: Read so much at a time; the rows do not depend on it.
    """

    csv: CsvFormat = field(default_factory=CsvFormat)
    block_bytes: int = BLOCK_BYTES

    def open(self, source: Source, wanted: Wanted) -> RowReader:
        """See `RowReaders`."""
        return CsvReader(source, wanted, self.csv, block_bytes=self.block_bytes)

    def describe(self) -> Mapping[str, Any]:
        """See `RowReaders`."""
        return {"csv": asdict(self.csv)}
