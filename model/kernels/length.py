"""Rows by length, so that those with as much to compute come together and their padding costs nothing. Pure."""

import numpy as np
import numpy.typing as npt
from numba import njit

Integers = npt.NDArray[np.int64]


@njit(nogil=True, cache=True)
def longest_first(codes_NL: npt.NDArray[np.uint8], fill: int, reach: int) -> tuple[Integers, Integers]:
    """Sort rows by how much of them is not mere padding, by counting.

    Args:
        codes_NL: uint8 [N, L].
        fill: The code after the text; what stands before another code is no padding.
        reach: So many positions behind the text count as well.

    Returns:
        used: int64 [N], the positions of each row that are not mere padding.
        order: int64 [N], the rows, those with the most first.
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
