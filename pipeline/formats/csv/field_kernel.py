"""The Numba kernel that cuts well-formed records into fields, as Arrow string views into the very bytes they were read into. Pure.

A view is 16 bytes: a length, then the string itself if it has 12 bytes or fewer, else its first 4 bytes, the number of a buffer and an
offset in it (Arrow columnar format, "Variable-size Binary View Layout"). So a field is copied only where it is short, or where
doubled quotes in it become single ones.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from pipeline.formats.csv.bitmask import STEP, equal_bits, load_word, lowest_bit
from pipeline.formats.csv.scan_kernel import QUOTE, START, STOP, Bytes

VIEW_WORDS = 4
BEGINNING, ENDING, BOTH = 1, 2, 3
_INLINE = 12
_IN_DATA, _UNQUOTED = 0, 1  # The numbers of the buffers.


@njit(nogil=True, cache=True)
def _find(data: Bytes, position: int, stop: int, byte: int) -> Any:
    """The first place of a byte in [position, stop), or stop."""
    end = data.shape[0]
    while position < stop:
        if position + STEP > end:
            while position < stop and data[position] != byte:
                position += 1
            return position
        found = equal_bits(data, position, byte)
        if found:
            return min(stop, position + np.int64(lowest_bit(found)))
        position += STEP
    return stop


@njit(nogil=True, cache=True)
def _is_odd(byte: int) -> bool:
    return byte <= 0x20 or byte >= 0x7F


@njit(nogil=True, cache=True)
def _write_view(
    data: Bytes, start: int, length: int, buffer: int, views: npt.NDArray[np.uint32], place: np.uint64
) -> None:
    # Unsigned places in a flat array: Numba need not ask whether they count from the end.
    first, second, third = place + np.uint64(1), place + np.uint64(2), place + np.uint64(3)
    views[place] = length
    if length > _INLINE:
        views[first] = load_word(data, start)
        views[second] = buffer
        views[third] = start
    elif start + _INLINE <= data.shape[0]:
        views[first] = _low_bytes(load_word(data, start), length)
        views[second] = _low_bytes(load_word(data, start + 4), length - 4)
        views[third] = _low_bytes(load_word(data, start + 8), length - 8)
    else:
        views[first] = views[second] = views[third] = 0
        for index in range(length):
            word = first + np.uint64(index // 4)
            views[word] |= np.uint32(data[start + index]) << np.uint32(8 * (index % 4))


@njit(nogil=True, cache=True)
def _low_bytes(word: np.uint32, num_bytes: int) -> np.uint32:
    bits = np.uint64(8 * min(max(num_bytes, 0), 4))
    return np.uint32(np.uint64(word) & ((np.uint64(1) << bits) - np.uint64(1)))


@njit(nogil=True, cache=True)
def _unquote(data: Bytes, start: int, stop: int, unquoted: Bytes, filled: int) -> int:
    """Copy what is between quotes, each doubled one as one; returns where the copy ends."""
    position = start
    while position < stop:
        unquoted[filled] = data[position]
        filled += 1
        position += 2 if data[position] == QUOTE else 1
    return filled


@njit(nogil=True, cache=True)
def cut_fields(
    data: Bytes,
    records: npt.NDArray[np.int64],
    delimiter: int,
    wanted: npt.NDArray[np.int64],
    unquoted: Bytes,
    views: npt.NDArray[np.uint32],
    edges: Bytes,
) -> Any:
    """Cut fields out of well-formed records.

    Args:
        data: uint8 [bytes], fewer than 2**31; buffer 0 of the views.
        records: int64 [N, RECORD_FIELDS], rows that `scan_records` wrote with STATUS OK.
        delimiter: The byte between fields.
        wanted: int64 [W], indices of fields, ascending; each record has all of them.
        unquoted: uint8 [as many bytes as data], written; buffer 1 of the views, for fields with quotes in quotes.
        views: uint32 [W * N * VIEW_WORDS], written.
        edges: uint8 [W, N], written: BEGINNING and ENDING say that the field's first and last byte are something else than a printing
            ASCII character; a field without bytes has both.

    Returns:
        How many bytes of unquoted were written.
    """
    filled = 0
    for row in range(records.shape[0]):
        position = records[row, START]
        record_stop = records[row, STOP]
        field = 0
        for column in range(wanted.shape[0]):
            while True:
                has_inner_quotes = False
                if position < record_stop and data[position] == QUOTE:
                    start = position + 1
                    stop = _find(data, start, record_stop, QUOTE)
                    while stop + 1 < record_stop and data[stop + 1] == QUOTE:
                        has_inner_quotes = True
                        stop = _find(data, stop + 2, record_stop, QUOTE)
                    position = stop + 2
                else:
                    start = position
                    stop = _find(data, start, record_stop, delimiter)
                    position = stop + 1
                field += 1
                if field > wanted[column]:
                    break
            place = np.uint64((column * records.shape[0] + row) * VIEW_WORDS)
            if has_inner_quotes:
                end = _unquote(data, start, stop, unquoted, filled)
                _write_view(unquoted, filled, end - filled, _UNQUOTED, views, place)
                filled = end
            else:
                _write_view(data, start, stop - start, _IN_DATA, views, place)
            edges[column, row] = BOTH
            if start < stop:  # A quote at either end is one of a pair, and as printable.
                edges[column, row] = _is_odd(data[start]) * BEGINNING | _is_odd(data[stop - 1]) * ENDING
    return filled
