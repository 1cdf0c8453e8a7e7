"""The record scanner's Numba kernels: an RFC 4180 machine over raw bytes, with recovery for each record. Pure.

Quotes count only at a field's first byte; inside a quoted field a doubled quote is a quote; LF and CRLF end a record; blank physical
lines are no records. What a record is depends on the bytes alone, never on where a block ends: a record that the block may
not hold entirely is left for the next call.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]

OK, UNCLOSED_QUOTE, BAD_QUOTE, TOO_FEW_FIELDS, TOO_MANY_FIELDS, RECORD_TOO_LONG = range(6)
REASONS = ("", "unclosed_quote", "bad_quote", "too_few_fields", "too_many_fields", "record_too_long")

# A row of the table of records that `scan_records` fills, int64 [num_records, 5].
START, STOP, LINE, STATUS, LOOSE_QUOTES = range(5)
RECORD_FIELDS = 5

_LF, _CR, _QUOTE = 10, 13, 34
_INCOMPLETE = -1


@njit(nogil=True, cache=True)
def _line_end(data: Bytes, position: int) -> int:
    """Find the next LF at or after position, or the end of the data."""
    while position < data.shape[0] and data[position] != _LF:
        position += 1
    return position


@njit(nogil=True, cache=True)
def _scan_one(data: Bytes, start: int, final: bool, delimiter: int, max_bytes: int) -> Any:
    """Scan one record.

    Returns:
        (stop, status, num_fields, loose_quotes): stop is the LF that ends the record, or the end of the data, or _INCOMPLETE
        where the data does not show yet how the record ends; loose_quotes counts the quotes within unquoted fields, and the CRs
        at their ends, which Polars would drop.
    """
    end = data.shape[0]
    position = start
    num_fields = 1
    loose_quotes = 0
    first_line_end = -1  # The LF of the first physical line, once a quoted field has run past it.
    while True:
        if position < end and data[position] == _QUOTE:
            ran_past_line = False
            position += 1
            while True:
                if position - start > max_bytes:
                    if ran_past_line:
                        return first_line_end, UNCLOSED_QUOTE, num_fields, loose_quotes
                    position = _line_end(data, position)
                    if position == end and not final:
                        return _INCOMPLETE, OK, 0, 0
                    return position, RECORD_TOO_LONG, num_fields, loose_quotes
                if position >= end:
                    if not final:
                        return _INCOMPLETE, OK, 0, 0
                    return (first_line_end if first_line_end >= 0 else end), UNCLOSED_QUOTE, num_fields, loose_quotes
                byte = data[position]
                if byte == _QUOTE:
                    if position + 1 >= end and not final:
                        return _INCOMPLETE, OK, 0, 0
                    if position + 1 < end and data[position + 1] == _QUOTE:
                        position += 2
                        continue
                    position += 1
                    break
                if byte == _LF:
                    if first_line_end < 0:
                        first_line_end = position
                    ran_past_line = True
                position += 1
            if position < end and data[position] != delimiter and data[position] != _LF:
                if data[position] == _CR and position + 1 >= end and not final:
                    return _INCOMPLETE, OK, 0, 0
                if data[position] != _CR or (position + 1 < end and data[position + 1] != _LF):
                    if ran_past_line:
                        return first_line_end, UNCLOSED_QUOTE, num_fields, loose_quotes
                    position = _line_end(data, position)
                    if position == end and not final:
                        return _INCOMPLETE, OK, 0, 0
                    return position, BAD_QUOTE, num_fields, loose_quotes
                position += 1
        else:
            field = position
            while position < end and data[position] != delimiter and data[position] != _LF:
                if data[position] == _QUOTE:
                    loose_quotes += 1
                position += 1
            if field < position < end and data[position] == delimiter and data[position - 1] == _CR:
                loose_quotes += 1
        if position >= end:
            if not final:
                return _INCOMPLETE, OK, 0, 0
            break
        if data[position] == _LF:
            break
        num_fields += 1
        position += 1
    length = position - start
    if length > 0 and data[position - 1] == _CR:
        length -= 1
    return position, (RECORD_TOO_LONG if length > max_bytes else OK), num_fields, loose_quotes


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
        records: int64 [capacity, RECORD_FIELDS], written: START and STOP (without the line ending), LINE, STATUS, LOOSE_QUOTES.

    Returns:
        (num_records, position, line): where and at which line to go on.
    """
    count = 0
    end = data.shape[0]
    while position < end and count < records.shape[0]:
        if data[position] == _LF:
            position += 1
            line += 1
            continue
        if data[position] == _CR and (
            (position + 1 < end and data[position + 1] == _LF) or (position + 1 == end and final)
        ):
            position = min(position + 2, end)
            line += 1
            continue
        stop, status, fields, loose_quotes = _scan_one(data, position, final, delimiter, max_bytes)
        if stop == _INCOMPLETE:
            break
        if status == OK and num_fields > 0 and fields != num_fields:
            status = TOO_FEW_FIELDS if fields < num_fields else TOO_MANY_FIELDS
        records[count, START] = position
        records[count, STOP] = stop - 1 if stop > position and data[stop - 1] == _CR else stop
        records[count, LINE] = line
        records[count, STATUS] = status
        records[count, LOOSE_QUOTES] = loose_quotes
        count += 1
        for index in range(position, stop):
            if data[index] == _LF:
                line += 1
        line += 1
        position = stop + 1 if stop < end else end
    return count, position, line


@njit(nogil=True, cache=True)
def copy_records(data: Bytes, records: npt.NDArray[np.int64], delimiter: int, out: Bytes) -> int:
    """Copy well-formed records into one piece that any CSV parser reads alike, each ended by LF.

    Parsers disagree about a quote inside an unquoted field and about a CR at its end, so such a field is quoted and its quotes
    doubled. A CR at the end of a record is its own, since the line ending was cut off, and in a record that is copied as it is it
    needs another behind it that a parser may take for the line ending's.

    Args:
        data: uint8 [bytes].
        records: int64 [N, RECORD_FIELDS], rows that `scan_records` wrote with STATUS OK.
        delimiter: The byte between fields.
        out: uint8 [at least the records' bytes + 2 for each + 3 for each loose quote], written.

    Returns:
        The number of bytes written.
    """
    filled = 0
    for row in range(records.shape[0]):
        position = records[row, START]
        stop = records[row, STOP]
        if records[row, LOOSE_QUOTES] == 0:
            out[filled : filled + stop - position] = data[position:stop]
            filled += stop - position
            position = stop
        while position < stop:
            start = position
            quoting = False
            if data[position] == _QUOTE:
                position += 1
                while data[position] != _QUOTE or (position + 1 < stop and data[position + 1] == _QUOTE):
                    position += 2 if data[position] == _QUOTE else 1
                position += 1
            else:
                while position < stop and data[position] != delimiter:
                    quoting |= data[position] == _QUOTE
                    position += 1
                quoting |= position > start and data[position - 1] == _CR
            if quoting:
                out[filled] = _QUOTE
                filled += 1
            for index in range(start, position):
                out[filled] = data[index]
                filled += 1
                if quoting and data[index] == _QUOTE:
                    out[filled] = _QUOTE
                    filled += 1
            if quoting:
                out[filled] = _QUOTE
                filled += 1
            if position < stop:  # The delimiter; a record that ends with one has an empty last field.
                out[filled] = delimiter
                filled += 1
                position += 1
        if out[filled - 1] == _CR:
            out[filled] = _CR
            filled += 1
        out[filled] = _LF
        filled += 1
    return filled
