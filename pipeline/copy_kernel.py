"""The Numba kernel that copies well-formed records so that all CSV parsers read them alike. Pure."""

import numpy as np
import numpy.typing as npt
from numba import njit

from pipeline.scan_kernel import CR, LF, LOOSE_QUOTES, QUOTE, START, STOP, Bytes


def copied_bytes(records: npt.NDArray[np.int64]) -> int:
    """How many bytes `copy_records` writes at most.

    A record gets an LF, and perhaps a second CR or two quotes around a last field that ends in one; a loose quote is doubled, and
    there are two more around its field.
    """
    return int((records[:, STOP] - records[:, START] + 3 + 3 * records[:, LOOSE_QUOTES]).sum())


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
        out: uint8 [at least `copied_bytes`], written.

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
            if data[position] == QUOTE:
                position += 1
                while data[position] != QUOTE or (position + 1 < stop and data[position + 1] == QUOTE):
                    position += 2 if data[position] == QUOTE else 1
                position += 1
            else:
                while position < stop and data[position] != delimiter:
                    quoting |= data[position] == QUOTE
                    position += 1
                quoting |= position > start and data[position - 1] == CR
            if quoting:
                out[filled] = QUOTE
                filled += 1
            for index in range(start, position):
                out[filled] = data[index]
                filled += 1
                if quoting and data[index] == QUOTE:
                    out[filled] = QUOTE
                    filled += 1
            if quoting:
                out[filled] = QUOTE
                filled += 1
            if position < stop:  # The delimiter; a record that ends with one has an empty last field.
                out[filled] = delimiter
                filled += 1
                position += 1
        if out[filled - 1] == CR:
            out[filled] = CR
            filled += 1
        out[filled] = LF
        filled += 1
    return filled
