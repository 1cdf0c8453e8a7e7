"""The record scanner: bytes in, well-formed records and rejects out, numbered and located. May be imported by the reader.

Memory is bounded by the block size, or by the longest physical line where that is longer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.copy_kernel import copied_bytes, copy_records
from pipeline.quarantine import INVALID_ENCODING
from pipeline.scan_kernel import (
    OK,
    REASONS,
    RECORD_FIELDS,
    START,
    STATUS,
    STOP,
    Bytes,
    scan_records,
)
from pipeline.source import READ_BYTES, ByteStream

BLOCK_BYTES = 8 << 20
BLOCK_RECORDS = 1 << 17


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a source a block begins.

    Attributes:
        record: The 0-based number of the record there, the header not counted.
        line: The 1-based physical line.
        offset: Bytes of the UTF-8 stream before it.
        stored_offset: Bytes before it in the file as stored, after decompression; the reader fills it in.
    """

    record: int
    line: int
    offset: int
    stored_offset: int = 0


class Block:
    """Consecutive records.

    Args:
        data: uint8 [bytes], UTF-8 but for malformed records; a read-only view.
        offset: Where data begins in the UTF-8 stream.
        first_record: The 0-based number of the first record.
        table: int64 [N, RECORD_FIELDS], as `scan_records` writes it.
        plain: The records and their line endings are all that is in data, and nothing about them is out of the ordinary.

    Attributes:
        reasons: Records that are not well-formed, by index into table.
        well_formed: Indices into table of the records that go on, int64 [M].
    """

    def __init__(
        self, *, data: Bytes, offset: int, first_record: int, table: npt.NDArray[np.int64], plain: bool
    ) -> None:
        self.data = data
        self.offset = offset
        self.first_record = first_record
        self.table = table
        self._plain = plain
        self.reasons: dict[int, str] = {}
        self.well_formed = np.arange(len(table))
        if not plain:
            status = table[:, STATUS]
            self.reasons = {int(index): REASONS[status[index]] for index in np.flatnonzero(status != OK)}
        if not is_utf8(data):
            for index in np.flatnonzero(table[:, STATUS] == OK):
                if not is_utf8(data[table[index, START] : table[index, STOP]]):
                    self.reasons[int(index)] = INVALID_ENCODING
        if self.reasons:
            self._plain = False
            self.well_formed = np.delete(self.well_formed, list(self.reasons))

    def raw(self, index: int) -> bytes:
        """The UTF-8 bytes of a record, without its line ending."""
        return self.data[self.table[index, START] : self.table[index, STOP]].tobytes()

    def to_csv(self, delimiter: int) -> Bytes:
        """The well-formed records as one CSV without header that Polars cannot fail on, uint8 [bytes]."""
        if self._plain:
            return self.data
        table = np.ascontiguousarray(self.table[self.well_formed])
        out = np.empty(copied_bytes(table), np.uint8)
        return out[: copy_records(self.data, table, delimiter, out)]


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
        self._line = 1
        self._next_record = 0
        self.offset = 0
        self.num_fields = 0

    @property
    def place(self) -> Place:
        """Where the next block begins."""
        return Place(record=self._next_record, line=self._line, offset=self.offset)

    def count_from_here(self) -> None:
        """Number the next record 0, as after a header."""
        self._next_record = 0

    def skip_to(self, place: Place) -> bool:
        """Pass over what lies before a place at which a scan of the same bytes ended a block; returns whether the stream goes so far."""
        while self.offset < place.offset:
            self._fill(1)
            passed = min(len(self._buffer) - self._start, place.offset - self.offset)
            if not passed:
                return False
            self._start += passed
            self.offset += passed
        self._line, self._next_record = place.line, place.record
        return True

    def blocks(self, max_records: int | None = None) -> Iterator[Block]:
        """Scan to the end. Every record must have `num_fields` fields, unless that is 0.

        Args:
            max_records: In a block, by default `BLOCK_RECORDS`. There may be none, where there are only blank lines.
        """
        capacity = max_records or BLOCK_RECORDS
        window = self._block_bytes
        while True:
            self._fill(window)
            table = np.empty((capacity, RECORD_FIELDS), np.int64)
            data = self._buffer[self._start : self._start + window]
            final = self._ended and self._start + window >= len(self._buffer)
            count, passed, line, plain = scan_records(
                data, 0, self._line, final, self._delimiter, self.num_fields, self._max_record_bytes, table
            )
            if not passed:  # There is nothing left, or the record is longer than this.
                if final:
                    return
                window *= 2
                continue
            window = self._block_bytes
            block = Block(
                data=data[:passed],
                offset=self.offset,
                first_record=self._next_record,
                table=table[:count],
                plain=plain,
            )
            self._start += passed
            self.offset += passed
            self._line = line
            self._next_record += count
            yield block

    def _fill(self, num_bytes: int) -> None:
        """Read until the buffer holds so much that was not scanned, or the stream ends."""
        left = self._buffer[self._start :]
        if len(left) >= num_bytes or self._ended:
            return
        buffer = np.empty(num_bytes, np.uint8)
        filled = len(left)
        buffer[:filled] = left
        while filled < num_bytes:
            part = self._stream.read(min(num_bytes - filled, READ_BYTES))
            if not part:
                self._ended = True
                break
            if filled + len(part) > len(buffer):  # A transcoder may give more than was asked for.
                buffer = np.concatenate([buffer[:filled], np.empty(len(part), np.uint8)])
            buffer[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
            filled += len(part)
        buffer = buffer[:filled]
        buffer.flags.writeable = False
        self._buffer = buffer
        self._start = 0
