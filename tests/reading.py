"""Reads bytes through the reader and the scanner, all of them at once."""

import io
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.formats.csv.csv_format import CsvFormat
from pipeline.formats.csv.reader import CsvReader
from pipeline.formats.csv.scan_kernel import LINE, START
from pipeline.formats.csv.scanner import RecordScanner
from pipeline.records.quarantine import Reject
from pipeline.records.wanted import Wanted
from pipeline.storage.source import Source
from pipeline.storage.streams import ByteStream

PLAIN: dict[str, Any] = {"delimiter": ",", "encoding": "utf-8"}
AUTO: dict[str, Any] = {"delimiter": "auto", "encoding": "auto"}


@dataclass(frozen=True)
class Reading:
    """What came of an input."""

    frame: pl.DataFrame
    rejects: list[Reject]
    num_records: int

    @property
    def numbers(self) -> list[int]:
        """The records that became rows."""
        return self.frame["record"].to_list()

    def column(self, name: str) -> list[str]:
        return self.frame[name].to_list()

    @property
    def reasons(self) -> list[tuple[int, str]]:
        return [(reject.record, reject.reason) for reject in self.rejects]


def read_stream(stream: ByteStream, num_bytes: int) -> bytes:
    """All of a stream, at most num_bytes at a time."""
    parts = []
    buffer = bytearray(num_bytes)
    while num_read := stream.readinto(memoryview(buffer)):
        parts.append(bytes(buffer[:num_read]))
    return b"".join(parts)


def read_source(
    source: Source, wanted: Wanted | None = None, csv_format: CsvFormat | None = None, block_bytes: int = 1 << 16
) -> Reading:
    reader = CsvReader(source, wanted or Wanted(), csv_format or CsvFormat(**PLAIN), block_bytes=block_bytes)
    blocks = [block.rows() for block in reader.scan()]
    return Reading(
        pl.concat([block.frame for block in blocks]) if blocks else pl.DataFrame(schema={"text": pl.String}),
        [reject for block in blocks for reject in block.rejects],
        sum(block.num_records for block in blocks),
    )


def split_options(**options: Any) -> tuple[Wanted, CsvFormat]:
    """What of the options is wanted of rows, and what says how a CSV looks: commas in UTF-8, where they do not say."""
    of_rows = {field.name for field in fields(Wanted)} & options.keys()
    return Wanted(**{name: options.pop(name) for name in of_rows}), CsvFormat(**PLAIN | options)


def read_bytes(data: bytes, block_bytes: int = 1 << 16, **options: Any) -> Reading:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input.csv"
        path.write_bytes(data)
        return read_source(Source(str(path), "input.csv"), *split_options(**options), block_bytes)


def scan_bytes(
    data: bytes, block_bytes: int, *, delimiter: bytes = b",", num_fields: int = 0, max_record_bytes: int = 1 << 20
) -> list[tuple[int, int, bytes, str]]:
    """(offset, line, raw, reason) of each record; checks on the way that records are numbered without a gap."""
    scanner = RecordScanner(
        io.BytesIO(data), delimiter=delimiter[0], max_record_bytes=max_record_bytes, block_bytes=block_bytes
    )
    scanner.num_fields = num_fields
    records: list[tuple[int, int, bytes, str]] = []
    for block in scanner.blocks():
        assert block.place.record == len(records)
        block.check_encoding()
        for index, row in enumerate(block.table):
            raw = block.raw(index)
            records.append((block.place.offset + int(row[START]), int(row[LINE]), raw, block.reasons.get(index, "")))
    return records
