"""The record scanner: bytes in, well-formed records and rejects out, numbered and located. May be imported by the reader.

Memory is bounded by the block size, or by the longest physical line where that is longer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import InputError
from pipeline.formats.csv.field_kernel import VIEW_WORDS, cut_fields
from pipeline.formats.csv.scan_kernel import OK, REASONS, RECORD_FIELDS, START, STATUS, STOP, Bytes, scan_records
from pipeline.records.quarantine import INVALID_ENCODING
from pipeline.records.rows import Place
from pipeline.storage.source import READ_BYTES, ByteStream

BLOCK_BYTES = 4 << 20
BLOCK_RECORDS = 1 << 15
VIEW_LIMIT = (1 << 31) - 1  # Arrow's string views have 32-bit offsets.


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field of each of a block's well-formed records.

    Attributes:
        strings: string_view [M]; long ones are views into the block's data, which lives as long as they do.
        edges: uint8 [M], as `cut_fields` writes them: what has none has no white space to strip, and is blank only if it has both.
    """

    strings: pa.Array
    edges: npt.NDArray[np.uint8]


class Block:
    """Consecutive records.

    Args:
        data: uint8 [bytes], UTF-8 but for malformed records; a read-only view.
        place: Where data begins.
        table: int64 [N, RECORD_FIELDS], as `scan_records` writes it.
        delimiter: The byte between fields.

    Attributes:
        reasons: Records that are not well-formed, by index into table.
        well_formed: Indices into table of the records that go on, int64 [M].
    """

    def __init__(self, *, data: Bytes, place: Place, table: npt.NDArray[np.int64], delimiter: int) -> None:
        self.data = data
        self.place = place
        self.table = table
        self._delimiter = delimiter
        status = table[:, STATUS]
        self.reasons = {int(index): REASONS[status[index]] for index in np.flatnonzero(status != OK)}
        self.well_formed = np.arange(len(table))
        if self.reasons:
            self.well_formed = np.delete(self.well_formed, list(self.reasons))

    def check_encoding(self) -> None:
        """Take records that are not UTF-8 out of the well-formed ones."""
        if is_utf8(self.data):
            return
        for index in self.well_formed:
            if not is_utf8(self.data[self.table[index, START] : self.table[index, STOP]]):
                self.reasons[int(index)] = INVALID_ENCODING
        self.well_formed = np.delete(np.arange(len(self.table)), list(self.reasons))

    def raw(self, index: int) -> bytes:
        """The UTF-8 bytes of a record, without its line ending."""
        return self.data[self.table[index, START] : self.table[index, STOP]].tobytes()

    def fields(self, wanted: Sequence[int]) -> list[Field]:
        """Cut fields out of the well-formed records, whose encoding was checked.

        Args:
            wanted: Their indices, ascending, each below the number of fields.
        """
        data, table = self.data, self.table[self.well_formed] if self.reasons else self.table
        if len(data) > VIEW_LIMIT:
            data, table = _joined(data, table)
        unquoted = np.empty(len(data), np.uint8)
        views = np.empty((len(wanted), len(table), VIEW_WORDS), np.uint32)
        edges = np.empty((len(wanted), len(table)), np.uint8)
        num_bytes = cut_fields(
            data, table, self._delimiter, np.array(wanted, np.int64), unquoted, views.reshape(-1), edges
        )
        buffers = [pa.py_buffer(data), pa.py_buffer(unquoted[:num_bytes].copy())]
        return [
            Field(
                strings=pa.Array.from_buffers(
                    pa.string_view(), len(table), [None, pa.py_buffer(views[index]), *buffers]
                ),
                edges=edges[index],
            )
            for index in range(len(wanted))
        ]


def _joined(data: Bytes, table: npt.NDArray[np.int64]) -> tuple[Bytes, npt.NDArray[np.int64]]:
    """The records alone, without what is between them, as data and table; for a block in which a malformed record takes gigabytes."""
    stops = np.cumsum(table[:, STOP] - table[:, START])
    if len(stops) and stops[-1] > VIEW_LIMIT:
        raise InputError(
            f"a block of {stops[-1]:,} bytes of records is more than {VIEW_LIMIT:,}; use a smaller --max-record-bytes"
        )
    joined = np.concatenate([np.empty(0, np.uint8), *(data[record[START] : record[STOP]] for record in table)])
    joined.flags.writeable = False
    moved = table.copy()
    moved[:, START], moved[:, STOP] = stops - (table[:, STOP] - table[:, START]), stops
    return joined, moved


def is_utf8(data: Bytes) -> bool:
    """Whether uint8 [bytes] is valid UTF-8, as Arrow and Polars will judge it."""
    array = pa.Array.from_buffers(
        pa.large_binary(), 1, [None, pa.py_buffer(np.array([0, len(data)])), pa.py_buffer(data)]
    )
    try:
        array.cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


class RecordScanner:
    """Cuts a stream into blocks of records. Where a block ends depends on where it begins and on nothing before that.

    Args:
        stream: UTF-8, a byte order mark already removed.
        delimiter: One byte.
        max_record_bytes: A longer record is malformed.
        block_bytes: Look at so much at a time; the records do not depend on it.
    """

    def __init__(
        self, stream: ByteStream, *, delimiter: int, max_record_bytes: int, block_bytes: int = BLOCK_BYTES
    ) -> None:
        self._stream = stream
        self._delimiter = delimiter
        self._max_record_bytes = max_record_bytes
        self._block_bytes = block_bytes
        self._buffer: Bytes = np.empty(0, np.uint8)
        self._start = 0  # Of what the buffer holds that was not scanned yet.
        self._ended = False
        self.place = Place(record=0, line=1, offset=0)
        """Where the next block begins."""
        self.num_fields = 0

    def count_from_here(self) -> None:
        """Number the next record 0, as after a header."""
        self.place = replace(self.place, record=0)

    def skip_to(self, place: Place) -> bool:
        """Pass over what lies before a place at which a scan of the same bytes ended a block; returns whether the stream goes so far."""
        offset = self.place.offset
        while offset < place.offset:
            self._fill(1)
            passed = min(len(self._buffer) - self._start, place.offset - offset)
            if not passed:
                self.place = replace(self.place, offset=offset)
                return False
            self._start += passed
            offset += passed
        self.place = place
        return True

    def blocks(self, max_records: int | None = None) -> Iterator[Block]:
        """Scan to the end. Every record must have `num_fields` fields, unless that is 0.

        Args:
            max_records: In a block, by default `BLOCK_RECORDS`. There may be none, where there are only blank lines.
        """
        window = self._block_bytes
        while True:
            self._fill(window)
            table = np.empty((max_records or BLOCK_RECORDS, RECORD_FIELDS), np.int64)
            data = self._buffer[self._start : self._start + window]
            final = self._ended and self._start + window >= len(self._buffer)
            count, passed, line = scan_records(
                data, 0, self.place.line, final, self._delimiter, self.num_fields, self._max_record_bytes, table
            )
            if not passed:  # There is nothing left, or the record is longer than this.
                if final:
                    return
                window *= 2
                continue
            block = Block(data=data[:passed], place=self.place, table=table[:count], delimiter=self._delimiter)
            self._start += passed
            self.place = Place(record=block.place.record + count, line=line, offset=block.place.offset + passed)
            if window > self._block_bytes:  # Do not keep a large buffer for the sake of its end.
                self._buffer, self._start = self._buffer[self._start :].copy(), 0
            del data
            yield block
            del block
            window = self._block_bytes

    def _fill(self, num_bytes: int) -> None:
        """Read until the buffer holds so much that was not scanned, or the stream ends."""
        left = self._buffer[self._start :]
        if len(left) >= num_bytes or self._ended:
            return
        buffer = np.empty(num_bytes, np.uint8)
        filled = len(left)
        buffer[:filled] = left
        unread = buffer.data[filled:]
        while unread:
            num_read = self._stream.readinto(unread[:READ_BYTES])
            if not num_read:
                self._ended = True
                break
            unread = unread[num_read:]
        self._buffer = buffer[: len(buffer) - len(unread)]
        self._buffer.flags.writeable = False
        self._start = 0
