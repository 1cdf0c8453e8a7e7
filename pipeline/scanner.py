"""The record scanner: bytes in, well-formed records and rejects out, numbered and located. May be imported by the reader.

Memory is bounded by the block size, or by the longest physical line where that is longer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.quarantine import INVALID_ENCODING
from pipeline.scan_kernel import (
    LOOSE_QUOTES,
    OK,
    REASONS,
    RECORD_FIELDS,
    START,
    STATUS,
    STOP,
    Bytes,
    copy_records,
    scan_records,
)
from pipeline.source import ByteStream

BLOCK_BYTES = 8 << 20
BLOCK_RECORDS = 1 << 17


@dataclass(frozen=True, kw_only=True)
class Block:
    """Consecutive records.

    Attributes:
        data: uint8 [bytes], UTF-8 but for malformed records; a read-only view.
        offset: Where data begins in the UTF-8 stream.
        first_record: The 0-based number of the first record.
        table: int64 [N, RECORD_FIELDS], as `scan_records` writes it.
        reasons: Records that are not well-formed, by index into table.
    """

    data: Bytes
    offset: int
    first_record: int
    table: npt.NDArray[np.int64]
    reasons: dict[int, str]

    @property
    def well_formed(self) -> npt.NDArray[np.int64]:
        """Indices into table of the records that go on, int64 [M]."""
        keep = np.ones(len(self.table), bool)
        keep[list(self.reasons)] = False
        return np.flatnonzero(keep)

    def raw(self, index: int) -> bytes:
        """The UTF-8 bytes of a record, without its line ending."""
        return self.data[self.table[index, START] : self.table[index, STOP]].tobytes()


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
    """Cuts a stream into blocks of records.

    Args:
        stream: UTF-8, a byte order mark already removed.
        delimiter: One byte.
        max_record_bytes: A longer record is malformed.
        block_bytes: Read so much at a time; the records do not depend on it.
    """

    def __init__(
        self, stream: ByteStream, *, delimiter: int, max_record_bytes: int, block_bytes: int = BLOCK_BYTES
    ) -> None:
        self._stream = stream
        self._delimiter = delimiter
        self._max_record_bytes = max_record_bytes
        self._block_bytes = block_bytes
        self._buffer = b""
        self._final = False
        self._offset = 0
        self._line = 1
        self._next_record = 0
        self.num_fields = 0

    def read_header(self) -> Block | None:
        """Take the first record off the stream, whatever its number of fields; None where there is no record at all."""
        return next(self._scan(capacity=1), None)

    def count_from_here(self) -> None:
        """Number the next record 0, as after a header."""
        self._next_record = 0

    def blocks(self) -> Iterator[Block]:
        """Scan to the end. Every record must have `num_fields` fields, unless that is 0."""
        return self._scan(capacity=BLOCK_RECORDS)

    def _scan(self, capacity: int) -> Iterator[Block]:
        table = np.empty((capacity, RECORD_FIELDS), np.int64)
        while True:
            data = np.frombuffer(self._buffer, np.uint8)
            count, position, self._line = scan_records(
                data, 0, self._line, self._final, self._delimiter, self.num_fields, self._max_record_bytes, table
            )
            block = self._block(data[:position], table[:count].copy()) if count else None
            self._buffer = self._buffer[position:]
            self._offset += position
            if block is not None:
                self._next_record += count
                yield block
            elif self._final:
                return
            if not self._final and count < capacity:
                self._fill()

    def _fill(self) -> None:
        """Read as much again as is left over, at least a block, so that a long record is scanned in geometric steps."""
        parts = [self._buffer]
        wanted = max(self._block_bytes, len(self._buffer))
        while wanted > 0:
            part = self._stream.read(wanted)
            if not part:
                self._final = True
                break
            parts.append(part)
            wanted -= len(part)
        self._buffer = b"".join(parts)

    def _block(self, data: Bytes, table: npt.NDArray[np.int64]) -> Block:
        reasons = {int(index): REASONS[table[index, STATUS]] for index in np.flatnonzero(table[:, STATUS] != OK)}
        block = Block(data=data, offset=self._offset, first_record=self._next_record, table=table, reasons=reasons)
        if not is_utf8(data):
            for index in block.well_formed:
                if not is_utf8(data[table[index, START] : table[index, STOP]]):
                    reasons[int(index)] = INVALID_ENCODING
        return block

    def well_formed_bytes(self, block: Block) -> Bytes:
        """The block's well-formed records as one CSV without header that Polars cannot fail on, uint8 [bytes]."""
        table = block.table
        contiguous = (
            not block.reasons
            and not table[:, LOOSE_QUOTES].any()
            and table[0, START] == 0
            and bool((_line_ends(block.data, table[:-1, STOP]) == table[1:, START]).all())
            and int(_line_ends(block.data, table[-1:, STOP])[0]) == len(block.data)
        )
        if contiguous:
            return block.data
        table = np.ascontiguousarray(table[block.well_formed])
        capacity = int((table[:, STOP] - table[:, START] + 2 + 3 * table[:, LOOSE_QUOTES]).sum())
        out = np.empty(capacity, np.uint8)
        return out[: copy_records(block.data, table, self._delimiter, out)]


def _line_ends(data: Bytes, stops: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where the line ending after each record is over, int64 [N]; beyond the data where the last one has none."""
    padded_next = np.minimum(stops, len(data) - 1)
    return stops + np.where(data[padded_next] == ord("\r"), 2, 1)
