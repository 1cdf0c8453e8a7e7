"""The product of a block of rows and a matrix, the inner loop of every layer, in Numba.

Six rows by sixteen columns of the result stay in registers while the inner dimension passes: the blocking of Goto and van de
Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008). Each number of the result depends on its own row alone and is always
summed in the same order, so a row gets the same result to the last bit, whatever rows stand beside it.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from model.kernels.vector import LANES, load_16, load_spread, multiply_add, spread, store

Floats = npt.NDArray[np.float32]

TILE = 6  # Rows. With two registers of AVX for 16 columns, 12 of its 16 registers.


def padded(width: int) -> int:
    """A width rounded up to whole vectors."""
    return -(-width // LANES) * LANES


def aligned(shape: tuple[int, ...]) -> Floats:
    """Zeros, float32, contiguous, starting at a cache line, so that no 16 numbers lie across two lines."""
    size = int(np.prod(shape))
    spare = np.zeros(size + LANES, np.float32)
    start = -spare.ctypes.data % 64 // 4
    return spare[start : start + size].reshape(shape)


def pack(matrix_IO: npt.NDArray[np.floating]) -> Floats:
    """Lay a matrix out in the order in which `multiply_tile` reads it.

    Args:
        matrix_IO: [I, O], inner dimension and columns.

    Returns:
        float32 [panels, I, 16], 16 columns a panel, the last one filled up with zeros.
    """
    inner, columns = matrix_IO.shape
    packed = aligned((padded(columns) // LANES, inner, LANES))
    for panel in range(len(packed)):
        part = matrix_IO[:, panel * LANES : (panel + 1) * LANES]
        packed[panel, :, : part.shape[1]] = part
    return packed


@njit(nogil=True, cache=True, inline="always")
def multiply_tile(
    rows: Floats,
    row: int,
    row_stride: int,
    inner: int,
    packed: Floats,
    at: int,
    scales: Floats,
    sums: Floats,
    to: int,
    sums_stride: int,
) -> None:
    """Multiply 6 rows by 16 columns, scale each row, and add the result to `sums`.

    Args:
        rows: float32, flat.
        row: Where the first row begins.
        row_stride: Distance from row to row.
        inner: The inner dimension.
        packed: float32, flat; see `pack`.
        at: Where the panel begins.
        scales: float32 [6].
        sums: float32, flat, added to.
        to: Where the first row's 16 sums begin.
        sums_stride: Distance from row to row.
    """
    row_1, to_1 = row + row_stride, to + sums_stride
    row_2, to_2 = row_1 + row_stride, to_1 + sums_stride
    row_3, to_3 = row_2 + row_stride, to_2 + sums_stride
    row_4, to_4 = row_3 + row_stride, to_3 + sums_stride
    row_5, to_5 = row_4 + row_stride, to_4 + sums_stride
    # Start at zero and add to `sums` at the end: a sum of short sums rounds less than one long sum.
    sum_0 = sum_1 = sum_2 = sum_3 = sum_4 = sum_5 = spread(np.float32(0))
    for index in range(inner):
        weights = load_16(packed, at + index * LANES)
        sum_0 = multiply_add(load_spread(rows, row + index), weights, sum_0)
        sum_1 = multiply_add(load_spread(rows, row_1 + index), weights, sum_1)
        sum_2 = multiply_add(load_spread(rows, row_2 + index), weights, sum_2)
        sum_3 = multiply_add(load_spread(rows, row_3 + index), weights, sum_3)
        sum_4 = multiply_add(load_spread(rows, row_4 + index), weights, sum_4)
        sum_5 = multiply_add(load_spread(rows, row_5 + index), weights, sum_5)
    store(sums, to, multiply_add(load_spread(scales, 0), sum_0, load_16(sums, to)))
    store(sums, to_1, multiply_add(load_spread(scales, 1), sum_1, load_16(sums, to_1)))
    store(sums, to_2, multiply_add(load_spread(scales, 2), sum_2, load_16(sums, to_2)))
    store(sums, to_3, multiply_add(load_spread(scales, 3), sum_3, load_16(sums, to_3)))
    store(sums, to_4, multiply_add(load_spread(scales, 4), sum_4, load_16(sums, to_4)))
    store(sums, to_5, multiply_add(load_spread(scales, 5), sum_5, load_16(sums, to_5)))
