"""Rows sorted by length, so that rows with as much to compute share a batch and padding costs nothing. A Numba kernel."""

import numpy as np
import numpy.typing as npt
from numba import njit

Integers = npt.NDArray[np.int64]


@njit(nogil=True, cache=True)
def longest_first(codes_NL: npt.NDArray[np.uint8], fill: int, reach: int) -> tuple[Integers, Integers]:
    """Sort rows by how many of their positions have to be computed; a counting sort.

    Args:
        codes_NL: uint8 [N, L].
        fill: The code after the text. Fill between other codes is not padding.
        reach: How many positions after the text have to be computed as well.

    Returns:
        used: int64 [N], how many positions of each row have to be computed.
        order: int64 [N], row numbers, longest rows first.
    """
    num_rows, length = codes_NL.shape
    used = np.empty(num_rows, np.int64)
    place = np.zeros(length + 2, np.int64)
    for row in range(num_rows):
        stop = length
        while stop > 0 and codes_NL[row, stop - 1] == fill:
            stop -= 1
        used[row] = min(length, stop + reach)
        place[length - used[row] + 1] += 1
    for step in range(length + 1):
        place[step + 1] += place[step]
    order = np.empty(num_rows, np.int64)
    for row in range(num_rows):
        order[place[length - used[row]]] = row
        place[length - used[row]] += 1
    return used, order
