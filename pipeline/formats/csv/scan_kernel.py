"""The record scanner's Numba kernels: an RFC 4180 machine over raw bytes, with recovery for each record. Pure.

Quotes count only at a field's first byte; inside a quoted field a doubled quote is a quote; LF and CRLF end a record; blank physical
lines are not records. What a record is depends on the bytes alone, never on where a block ends: a record that the block may
not hold entirely is left for the next call.

There are two walkers. `_scan_clean` takes 64 bytes a step and knows only what is well-formed; what it does not like, it leaves to
`_scan_one`, a byte at a time, which knows all the rules.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from pipeline.formats.csv.bitmask import STEP, count_bits, equal_bits, lowest_bit, prefix_xor

Bytes = npt.NDArray[np.uint8]

OK, UNCLOSED_QUOTE, BAD_QUOTE, TOO_FEW_FIELDS, TOO_MANY_FIELDS, RECORD_TOO_LONG = range(6)
REASONS = ("", "unclosed_quote", "bad_quote", "too_few_fields", "too_many_fields", "record_too_long")

# A row of the table of records that `scan_records` fills, int64 [num_records, 4].
START, STOP, LINE, STATUS = range(4)
RECORD_FIELDS = 4

LF, CR, QUOTE = 10, 13, 34

_INCOMPLETE, _ENDLESS = -1, -2
# What an earlier scan found out: see `_scan_one`.
_NOTHING, _CLOSES_WRONGLY, _STAYS_OPEN, _STAYS_OPEN_ON_LINE = range(4)


@njit(nogil=True, cache=True)
def _line_end(data: Bytes, position: int) -> int:
    """Find the next LF at or after position, or the end of the data."""
    while position < data.shape[0] and data[position] != LF:
        position += 1
    return position


@njit(nogil=True, cache=True)
def _length(data: Bytes, start: int, stop: int) -> int:
    """The bytes of a record that ends at an LF or with the data; the CR before it does not count."""
    return stop - start - (stop > start and data[stop - 1] == CR)


@njit(nogil=True, cache=True)
def _unfinished(num_bytes: int, max_bytes: int) -> int:
    """What to make of a record, not within quotes, of which the data has so many bytes: its last one may be a CR that does not count."""
    return _ENDLESS if num_bytes - 1 > max_bytes else _INCOMPLETE


@njit(nogil=True, cache=True)
def _scan_one(
    data: Bytes, start: int, final: bool, delimiter: int, max_bytes: int, known: int, known_until: int
) -> Any:
    """Scan one record.

    A quoted field that runs past its line and fails costs one line, and the next record begins within the bytes that this scan has
    seen. Two scans that are both within quotes at the same LF go the same way from there, since an LF outside of quotes would have
    ended the earlier one. So the later one, at its first quoted LF, takes over where the earlier one ended, and a file of such lines
    takes linear time.

    Args:
        data: uint8 [bytes].
        start: The record's first byte.
        final: The input ends with this data.
        delimiter: The byte between fields.
        max_bytes: A longer record is malformed.
        known: How the scan that began before start failed: _CLOSES_WRONGLY; _STAYS_OPEN, it was given up within quotes that had run past
            their line; _STAYS_OPEN_ON_LINE, within others; _NOTHING.
        known_until: Where it failed.

    Returns:
        (stop, status, num_fields, found, found_at): stop is the LF that ends the record, or the end of the data, or _INCOMPLETE where
        the data does not show yet how the record ends, or _ENDLESS where it is too long and will end with the physical line that goes on
        behind the data; found and found_at are the next scan's known and known_until.
    """
    end = data.shape[0]
    position = start
    num_fields = 1
    took_over = False
    first_line_end = -1  # The LF of the first physical line, once a quoted field has run past it.
    while True:
        if position < end and data[position] == QUOTE:
            ran_past_line = False
            opening = position
            position += 1
            while True:
                if position - start > max_bytes:
                    if first_line_end >= 0 and opening - start < max_bytes:
                        found = _STAYS_OPEN if ran_past_line else _STAYS_OPEN_ON_LINE
                        return first_line_end, UNCLOSED_QUOTE, num_fields, found, position
                    position = _line_end(data, position)
                    if position == end and not final:
                        return _ENDLESS, OK, 0, _NOTHING, 0
                    return position, RECORD_TOO_LONG, num_fields, _NOTHING, 0
                if position >= end:
                    if not final:
                        return _INCOMPLETE, OK, 0, _NOTHING, 0
                    if first_line_end < 0:
                        return end, UNCLOSED_QUOTE, num_fields, _NOTHING, 0
                    found = _STAYS_OPEN if ran_past_line else _STAYS_OPEN_ON_LINE
                    return first_line_end, UNCLOSED_QUOTE, num_fields, found, position
                byte = data[position]
                if byte == QUOTE:
                    if position + 1 >= end and not final:
                        return _INCOMPLETE, OK, 0, _NOTHING, 0
                    if position + 1 < end and data[position + 1] == QUOTE:
                        position += 2
                        continue
                    position += 1
                    break
                if byte == LF:
                    if first_line_end < 0:
                        first_line_end = position
                    ran_past_line = True
                    if known != _NOTHING and position < known_until:
                        if known == _CLOSES_WRONGLY:
                            return first_line_end, UNCLOSED_QUOTE, num_fields, known, known_until
                        position = known_until
                        ran_past_line = known == _STAYS_OPEN
                        took_over = True
                        continue
                position += 1
            if position < end and data[position] != delimiter and data[position] != LF:
                if data[position] == CR and position + 1 >= end and not final:
                    return _INCOMPLETE, OK, 0, _NOTHING, 0
                if data[position] != CR or (position + 1 < end and data[position + 1] != LF):
                    if ran_past_line:
                        return first_line_end, UNCLOSED_QUOTE, num_fields, _CLOSES_WRONGLY, position
                    position = _line_end(data, position)
                    if position == end and not final:
                        return _unfinished(position - start, max_bytes), OK, 0, _NOTHING, 0
                    status = RECORD_TOO_LONG if _length(data, start, position) > max_bytes else BAD_QUOTE
                    return position, status, num_fields, _NOTHING, 0
                position += 1
        else:
            while position < end and data[position] != delimiter and data[position] != LF:
                position += 1
        if position >= end and not final:
            return _unfinished(position - start, max_bytes), OK, 0, _NOTHING, 0
        if position < end and data[position] == delimiter:
            num_fields += 1
            position += 1
        elif not took_over:
            break
        else:  # It is a record after all, but what was passed over was not counted: once more, then.
            took_over = False
            known = _NOTHING
            position, num_fields, first_line_end = start, 1, -1
    status = RECORD_TOO_LONG if _length(data, start, position) > max_bytes else OK
    return position, status, num_fields, _NOTHING, 0


@njit(nogil=True, cache=True)
def _scan_clean(
    data: Bytes,
    position: int,
    line: int,
    delimiter: int,
    num_fields: int,
    max_bytes: int,
    records: npt.NDArray[np.int64],
    count: int,
) -> Any:
    """Cut records as long as their quotes are as RFC 4180 has them, 64 bytes a step.

    A bit for each byte says where quotes, delimiters and line endings are; the exclusive or of all quotes before a byte says whether
    it is within quotes (Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019).

    Returns:
        (count, position, line): position is the start of the first record that was not cut, because it is not clean, or
        does not end within the whole steps that the data has.
    """
    end = data.shape[0]
    at = position
    within = np.uint64(0)  # All ones while a quoted field goes on from the step before.
    may_open = np.uint64(1)  # Bit 0: a field begins with the step's first byte.
    after_closing = after_closing_cr = np.uint64(0)  # Bit 0: what was the last byte of the step before.
    fields = 1
    feeds_within = 0
    one = np.uint64(1)
    top = np.uint64(STEP - 1)
    while at + STEP <= end:
        quotes = equal_bits(data, at, QUOTE)
        feeds = equal_bits(data, at, LF)
        delimiters = equal_bits(data, at, delimiter)
        returns = equal_bits(data, at, CR)
        inside = prefix_xor(quotes) ^ within
        outside = ~inside
        delimiters &= outside
        ends = line_ends = feeds & outside
        closing = quotes & outside
        follows = (closing << one) | after_closing
        follows_cr = follows & returns
        bad = (
            (quotes & inside & ~(((ends | delimiters | closing) << one) | may_open))
            | (follows & ~(ends | delimiters | quotes | returns))
            | (((follows_cr << one) | after_closing_cr) & ~feeds)
        )
        feeds &= inside
        rest = ~np.uint64(0)  # The bits behind the last record that was cut.
        if bad:
            ends &= (bad & (~bad + one)) - one
        while ends:
            bit = lowest_bit(ends)
            upto = ((one << bit) - one) & rest
            stop: Any = at + np.int64(bit)
            length = stop - position
            if length > 0 and data[stop - 1] == CR:
                length -= 1
            if length > max_bytes or count == records.shape[0]:
                return count, position, line
            feeds_within += count_bits(feeds & upto)
            if length > 0:  # A blank line is no record.
                fields += count_bits(delimiters & upto)
                status = OK
                if num_fields > 0 and fields != num_fields:
                    status = TOO_FEW_FIELDS if fields < num_fields else TOO_MANY_FIELDS
                records[count, START] = position
                records[count, STOP] = position + length
                records[count, LINE] = line
                records[count, STATUS] = status
                count += 1
            line += 1 + feeds_within
            fields = 1
            feeds_within = 0
            position = stop + 1
            ends &= ends - one
            rest = ~(((one << bit) - one) | (one << bit))
        if bad or at + STEP - position > max_bytes:
            break
        fields += count_bits(delimiters & rest)
        feeds_within += count_bits(feeds & rest)
        within = np.uint64(0) - (inside >> top)
        may_open = (line_ends | delimiters | closing) >> top
        after_closing = closing >> top
        after_closing_cr = follows_cr >> top
        at += STEP
    return count, position, line


@njit(nogil=True, cache=True)
def scan_records(
    data: Bytes,
    position: int,
    line: int,
    final: bool,
    delimiter: int,
    num_fields: int,
    max_bytes: int,
    records: npt.NDArray[np.int64],
) -> Any:
    """Cut records until the data or the table ends.

    Args:
        data: uint8 [bytes].
        position: Where to begin: the start of a physical line.
        line: The number of that line.
        final: The input ends with this data.
        delimiter: The byte between fields.
        num_fields: Fields that a record must have; 0 takes any number.
        max_bytes: A longer record is malformed; the line ending does not count.
        records: int64 [capacity, RECORD_FIELDS], written: START and STOP (without the line ending), LINE, STATUS.

    Returns:
        (num_records, position, line, is_endless): where and at which line to go on; whether the record there is too long, and ends with
        the physical line that goes on behind the data.
    """
    count = 0
    stop: Any = 0
    end = data.shape[0]
    known, known_until = _NOTHING, 0
    while position < end and count < records.shape[0]:
        if position >= known_until:
            count, position, line = _scan_clean(data, position, line, delimiter, num_fields, max_bytes, records, count)
            if position >= end or count == records.shape[0]:
                break
        if data[position] == LF:
            position += 1
            line += 1
            continue
        if data[position] == CR and (
            (position + 1 < end and data[position + 1] == LF) or (position + 1 == end and final)
        ):
            position = min(position + 2, end)
            line += 1
            continue
        stop, status, fields, known, known_until = _scan_one(
            data, position, final, delimiter, max_bytes, known, known_until
        )
        if stop < 0:
            break
        if status == OK and num_fields > 0 and fields != num_fields:
            status = TOO_FEW_FIELDS if fields < num_fields else TOO_MANY_FIELDS
        records[count, START] = position
        records[count, STOP] = stop - 1 if stop > position and data[stop - 1] == CR else stop
        records[count, LINE] = line
        records[count, STATUS] = status
        count += 1
        for index in range(position, stop):
            if data[index] == LF:
                line += 1
        line += 1
        position = stop + 1 if stop < end else end
    return count, position, line, stop == _ENDLESS
