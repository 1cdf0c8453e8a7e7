"""The Numba kernels that find rows of codes in another set of rows: hashes, and a hash table with open addressing. Pure."""

import numpy as np
import numpy.typing as npt
from numba import njit

Words = npt.NDArray[np.uint64]
Hashes = npt.NDArray[np.uint64]
Slots = npt.NDArray[np.uint64]

_START, _FACTOR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xFF51AFD7ED558CCD)


@njit(nogil=True, cache=True)
def hash_words(words_NW: Words, hashes_N: Hashes) -> None:
    """Hash rows of codes, eight at a time: a multiplication and a shift for each word, and splitmix64's mixer (Vigna) in the end.

    Args:
        words_NW: uint64 [N, W], the rows' bytes.
        hashes_N: uint64 [N], written; never 0.
    """
    for row in range(words_NW.shape[0]):
        state = _START
        for index in range(words_NW.shape[1]):
            state = (state ^ words_NW[row, index]) * _FACTOR
            state ^= state >> np.uint64(32)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        hashes_N[row] = max(state ^ (state >> np.uint64(31)), np.uint64(1))


@njit(nogil=True, cache=True)
def find_slots(hashes_N: Hashes, table: Hashes, adds: bool, slots_N: Slots) -> None:
    """Find each hash's slot in a table.

    Args:
        hashes_N: uint64 [N], none of them 0.
        table: uint64 [a power of two, more than it will hold], 0 where free; written where adds.
        adds: Whether to put those in that are missing.
        slots_N: uint64 [N], written; the table's length for what is not in it.
    """
    mask = np.uint64(table.shape[0] - 1)
    for row in range(hashes_N.shape[0]):
        slot = hashes_N[row] & mask
        while table[slot] != np.uint64(0) and table[slot] != hashes_N[row]:
            slot = (slot + np.uint64(1)) & mask
        if adds:
            table[slot] = hashes_N[row]
        slots_N[row] = slot if table[slot] == hashes_N[row] else np.uint64(table.shape[0])
