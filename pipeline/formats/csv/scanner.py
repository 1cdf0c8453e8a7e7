"""The record scanner: a stream of bytes in, blocks of located records out.

Memory is bounded by the block size, or by the longest physical line where that is longer.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pipeline.formats.csv.record_block import RecordBlock
from pipeline.formats.csv.scan_kernel import RECORD_FIELDS, Bytes, scan_records
from pipeline.formats.encodings import num_stored
from pipeline.formats.sniff import UTF8
from pipeline.records.rows import Place
from pipeline.storage.streams import READ_BYTES, ByteStream, pass_over

BLOCK_BYTES = 4 << 20
BLOCK_RECORDS = 1 << 15


class RecordScanner:
    """Cuts a stream into blocks of records. Where a block ends depends on where it begins and on nothing before that.

    Args:
        stream: UTF-8, a byte order mark already removed.
        delimiter: One byte.
        max_record_bytes: A longer record is malformed.
        block_bytes: Look at so much at a time; the records do not depend on it.
        encoding: Of the bytes as stored.
        bom_bytes: How many of those came before the stream.
    """

    def __init__(
        self,
        stream: ByteStream,
        *,
        delimiter: int,
        max_record_bytes: int,
        block_bytes: int = BLOCK_BYTES,
        encoding: str = UTF8,
        bom_bytes: int = 0,
    ) -> None:
        self._stream = stream
        self._delimiter = delimiter
        self._max_record_bytes = max_record_bytes
        self._block_bytes = block_bytes
        self._encoding = encoding
        self._buffer: Bytes = np.empty(0, np.uint8)
        self._start = 0  # In the buffer: what lies before it was scanned.
        self._ended = False
        self.place = Place(record=0, line=1, offset=0, stored_offset=bom_bytes)
        """Where the next block begins."""
        self.num_fields = 0

    def count_from_here(self) -> None:
        """Number the next record 0, as after a header."""
        self.place = replace(self.place, record=0)

    def skip_to(self, place: Place) -> bool:
        """Pass over what lies before a place at which a scan of the same bytes ended a block; returns whether the stream goes so far."""
        wanted = place.offset - self.place.offset
        buffered = min(len(self._buffer) - self._start, wanted)
        self._start += buffered
        passed = buffered + pass_over(self._stream, wanted - buffered)
        self.place = place if passed == wanted else replace(self.place, offset=self.place.offset + passed)
        return passed == wanted

    def blocks(self, max_records: int | None = None) -> Iterator[RecordBlock]:
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
            place, data = self.place, data[:passed]
            block = RecordBlock(data=data, place=place, table=table[:count], delimiter=self._delimiter)
            self._start += passed
            self.place = Place(
                record=place.record + count,
                line=line,
                offset=place.offset + passed,
                stored_offset=place.stored_offset + num_stored(data, self._encoding),
            )
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
