"""The record scanner: a stream of bytes in, blocks of located records out.

Memory is bounded by the block size and the longest record that is allowed: of a longer one, only the beginning is kept.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pipeline.formats.csv.record_block import RecordBlock
from pipeline.formats.csv.scan_kernel import CR, LF, RECORD_FIELDS, RECORD_TOO_LONG, Bytes, scan_records
from pipeline.formats.encodings import num_stored
from pipeline.formats.sniff import UTF8
from pipeline.records.quarantine import RAW_BYTES
from pipeline.records.rows import Place
from pipeline.storage.streams import READ_BYTES, ByteStream, pass_over

BLOCK_BYTES = 4 << 20
BLOCK_RECORDS = 1 << 15
_HEAD_BYTES = 4 * RAW_BYTES  # A stored byte may take three in UTF-8.
_LONGEST_CHARACTER = 4


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
            count, passed, line, is_endless = scan_records(
                data, 0, self.place.line, final, self._delimiter, self.num_fields, self._max_record_bytes, table
            )
            if not passed:  # There is nothing left, or the record is longer than this.
                if final:
                    return
                if is_endless:
                    yield self._pass_over_line(data)
                    window = self._block_bytes
                else:
                    window *= 2
                continue
            place, data = self.place, data[:passed]
            block = RecordBlock(data=data, place=place, table=table[:count], delimiter=self._delimiter)
            self._pass(data)
            self.place = replace(self.place, record=place.record + count, line=line)
            if window > self._block_bytes:  # Do not keep a large buffer for the sake of its end.
                self._buffer, self._start = self._buffer[self._start :].copy(), 0
            del data
            yield block
            del block
            window = self._block_bytes

    def _pass_over_line(self, data: Bytes) -> RecordBlock:
        """Make a block of one record that is too long: all of the data, and what follows to the end of its physical line."""
        place, line = self.place, self.place.line + int(np.count_nonzero(data == LF)) + 1
        head = bytearray()
        end = -1
        while end < 0:  # The last character waits for what follows: it may be a CR that belongs to the line ending.
            part = data[: _last_character(data)]
            head += part[:_HEAD_BYTES].tobytes()
            self._pass(part)
            self._fill(max(self._block_bytes, 2 * _LONGEST_CHARACTER))
            data = self._buffer[self._start :]
            end = data.tobytes().find(LF)
            if end < 0 and self._ended:
                end = len(data)
        part = data[: end - int(data[end - 1] == CR)]
        head += part[:_HEAD_BYTES].tobytes()
        self._pass(part)
        raw_bytes = self.place.stored_offset - place.stored_offset
        self._pass(data[len(part) : end + 1])
        self.place = replace(self.place, record=place.record + 1, line=line)
        kept = np.frombuffer(head[:_HEAD_BYTES], np.uint8)
        if len(head) > _HEAD_BYTES:
            kept = kept[: _last_character(kept)]
        kept.flags.writeable = False
        table = np.array([[0, len(kept), place.line, RECORD_TOO_LONG]], np.int64)
        return RecordBlock(data=kept, place=place, table=table, delimiter=self._delimiter, raw_bytes=raw_bytes)

    def _pass(self, data: Bytes) -> None:
        """Go on behind data that the buffer has next."""
        self._start += len(data)
        self.place = replace(
            self.place,
            offset=self.place.offset + len(data),
            stored_offset=self.place.stored_offset + num_stored(data, self._encoding),
        )

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


def _last_character(data: Bytes) -> int:
    """Where the last character of UTF-8 begins; of what is not UTF-8, one of the last four bytes."""
    start = len(data) - 1
    while start > len(data) - _LONGEST_CHARACTER and 0x80 <= data[start] < 0xC0:
        start -= 1
    return max(start, 0)
