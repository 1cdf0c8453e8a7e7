"""The Numba kernels that touch every character: encoding and hashing. Pure: no I/O, no configuration, no strings.

All of them read Arrow's large_string layout: `data` is uint8 [bytes], UTF-8, row i is `data[offsets[i]:offsets[i + 1]]`.
They release the GIL, so threads over slices of rows run side by side.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


@njit(nogil=True, cache=True)
def _fold_row(
    data: Bytes,
    position: int,
    stop: int,
    table: Bytes,
    space: int,
    letter_i: int,
    letter_k: int,
    codes_L: Bytes,
) -> Any:
    """Encode one row with all of Unicode's rules; returns how many codes were written."""
    length = codes_L.shape[0]
    filled = 0
    pending_space = False
    while position < stop and filled < length:
        byte = data[position]
        code: int = table[byte]
        dotted = False
        if byte == 0xE2 and position + 2 < stop and data[position + 1] == 0x84 and data[position + 2] == 0xAA:
            code = letter_k
            position += 2
        elif byte == 0xC4 and position + 1 < stop and data[position + 1] == 0xB0:
            code = letter_i
            dotted = True
            position += 1
        position += 1
        if code == space:
            pending_space = filled > 0
            continue
        if pending_space:
            codes_L[filled] = space
            filled += 1
            pending_space = False
            if filled == length:
                break
        codes_L[filled] = code
        filled += 1
        pending_space = dotted
    return filled


@njit(nogil=True, cache=True)
def encode_fold(
    data: Bytes,
    offsets: Offsets,
    table: Bytes,
    space: int,
    suffix: Bytes,
    fill: int,
    letter_i: int,
    letter_k: int,
    codes_NL: Bytes,
) -> None:
    """Lower-case, replace, collapse, strip, append the suffix, cut and fill, in one pass over the bytes.

    Two characters outside ASCII have lower-case forms inside it: U+212A (E2 84 AA) is `k`, and U+0130 (C4 B0) is `i` with a
    combining dot, so `i` and a space. Every other non-ASCII byte is a space, and runs of spaces collapse, so how many bytes
    a character takes does not matter.

    Rows of ASCII take a loop without branches: each code is written, and a space behind a space is written over.

    Args:
        data: uint8 [bytes], UTF-8.
        offsets: int64 [N + 1].
        table: uint8 [256], the code of each byte.
        space: The code of the space.
        suffix: uint8 [S], the codes appended to each text.
        fill: The code after the text.
        letter_i: The code of `i`.
        letter_k: The code of `k`.
        codes_NL: uint8 [N, L], written.
    """
    length = codes_NL.shape[1]
    for row in range(codes_NL.shape[0]):
        position: int = offsets[row]
        stop = offsets[row + 1]
        filled: Any = 0
        after_space: Any = 1
        seen: Any = 0
        while position < stop and filled < length:
            byte = data[position]
            position += 1
            seen |= byte
            code = table[byte]
            is_space = np.int64(code == space)
            codes_NL[row, filled] = code
            filled += 1 - (is_space & after_space)
            after_space = is_space
        # Whether a space at the cut stays depends on what follows.
        if seen >= 0x80 or (filled == length and after_space):
            filled = _fold_row(data, offsets[row], stop, table, space, letter_i, letter_k, codes_NL[row])
        elif filled:
            filled -= after_space
        for index in range(min(suffix.shape[0], length - filled)):
            codes_NL[row, filled + index] = suffix[index]
        filled = min(length, filled + suffix.shape[0])
        codes_NL[row, filled:] = fill


@njit(nogil=True, cache=True)
def encode_bytes(data: Bytes, offsets: Offsets, fill: int, codes_NL: Bytes) -> None:
    """Copy the first L bytes of each row and fill the rest.

    Args:
        data: uint8 [bytes].
        offsets: int64 [N + 1].
        fill: The code after the text.
        codes_NL: uint8 [N, L], written.
    """
    length = codes_NL.shape[1]
    for row in range(codes_NL.shape[0]):
        start = offsets[row]
        filled = min(length, offsets[row + 1] - start)
        codes_NL[row] = fill
        for index in range(filled):  # As slices this is 9 % slower for titles, and takes two seconds to compile.
            codes_NL[row, index] = data[start + index]


@njit(nogil=True, cache=True)
def hash_rows(data: Bytes, offsets: Offsets, seed: int, hashes: Hashes) -> None:
    """Hash each row's bytes: FNV-1a (Fowler, Noll, Vo) over a seeded start, finished by splitmix64's mixer (Vigna).

    The same text and seed give the same hash on every machine and in every version, which Polars' own hash does not promise.

    Args:
        data: uint8 [bytes].
        offsets: int64 [N + 1].
        seed: Any integer from 0 to 2**63 - 1.
        hashes: uint64 [N], written.
    """
    for row in range(hashes.shape[0]):
        state = _FNV_OFFSET ^ np.uint64(seed)
        for position in range(offsets[row], offsets[row + 1]):
            state = (state ^ np.uint64(data[position])) * _FNV_PRIME
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        hashes[row] = state ^ (state >> np.uint64(31))
