"""The quarantine: every record that did not become a row, with where it was, why, and its bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import InputError, UsageError
from pipeline.storage.parquet import ParquetSink

BLANK_TEXT, BLANK_LABEL, UNKNOWN_LABEL, CONFLICTING_LABEL, INVALID_ENCODING = (
    "blank_text",
    "blank_label",
    "unknown_label",
    "conflicting_label",
    "invalid_encoding",
)

SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("record", pa.int64(), nullable=False),  # 0-based, the header not counted
        pa.field("line", pa.int64(), nullable=False),  # 1-based physical line where the record starts
        pa.field("byte_offset", pa.int64(), nullable=False),  # in the decompressed file
        pa.field("reason", pa.string(), nullable=False),
        pa.field(
            "raw", pa.binary(), nullable=False
        ),  # as stored, without the line ending; the first RAW_BYTES of one too long
        pa.field("raw_bytes", pa.int64(), nullable=False),  # length of the record
    ]
)
RAW_BYTES = 1 << 16
"""All that is kept of a record that is too long."""


@dataclass(frozen=True)
class Reject:
    """One record that goes to quarantine; its fields are the columns of `SCHEMA`."""

    source: str
    record: int
    line: int
    byte_offset: int
    reason: str
    raw: bytes
    raw_bytes: int


class QuarantineWriter:
    """Writes rejects to a Parquet file that exists only when there is at least one.

    Args:
        path: Where to write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_rows = 0
        self.reasons: dict[str, int] = {}
        self._sink: ParquetSink | None = None

    def write(self, rejects: list[Reject]) -> None:
        """Append rejects."""
        if not rejects:
            return
        if self._sink is None:
            self._sink = ParquetSink(self.path, SCHEMA)
        columns = zip(
            *((r.source, r.record, r.line, r.byte_offset, r.reason, r.raw, r.raw_bytes) for r in rejects), strict=True
        )
        self._sink.write(pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA))
        self.num_rows += len(rejects)
        for reject in rejects:
            self.reasons[reject.reason] = self.reasons.get(reject.reason, 0) + 1

    def close(self) -> bool:
        """Finish the file and make it durable; returns whether there is one."""
        if self._sink is not None:
            self._sink.close({})
            self._sink = None
        return self.num_rows > 0

    def abandon(self) -> None:
        """Let go of the file without finishing it; for clean-up after an error."""
        if self._sink is not None:
            self._sink.abandon()
            self._sink = None


def read_rejects(path: Path) -> Iterator[list[Reject]]:
    """Read a quarantine file back, a row group at a time."""
    with path.open("rb") as file:
        groups = pq.ParquetFile(file)
        for index in range(groups.num_row_groups):
            columns = [groups.read_row_group(index)[name].to_pylist() for name in SCHEMA.names]
            yield [Reject(*values) for values in zip(*columns, strict=True)]


def count_rejects(path: Path) -> int:
    """How many rejects a quarantine file holds; 0 where there is no file.

    Raises:
        InputError: The file is damaged, or something else.
    """
    if not path.exists():
        return 0
    if not is_quarantine(path):
        raise InputError(f"{path}: it is not a quarantine, or it is damaged; move it away", path=path)
    with path.open("rb") as file:
        return int(pq.read_metadata(file).num_rows)


def require_no_foreign_file(path: Path, *, overwrite: bool) -> None:
    """Refuse to replace anything but an earlier quarantine; with overwrite, any file may be replaced.

    Raises:
        UsageError: Another file or a folder is there.
    """
    if path.is_dir() or (path.exists() and not overwrite and not is_quarantine(path)):
        raise UsageError(f"{path}: the quarantine would go there, but it is something else; move it away", path=path)


def is_quarantine(path: Path) -> bool:
    """Whether there is a file, and it is a quarantine."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return bool(pq.read_schema(file).equals(SCHEMA))
    except (OSError, pa.ArrowException):
        return False
