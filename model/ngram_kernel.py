"""The `ngram` network in Numba, for scoring without torch. Follows ngram_hash.py; equal to ngram.py but for rounding. Pure."""

import numpy as np
import numpy.typing as npt
from numba import njit

from model.ngram_hash import MULTIPLIER_1, MULTIPLIER_2, PAIR_FACTOR, PAIR_SALT, SALT, WORD_SALT

Floats = npt.NDArray[np.float32]

_M1, _M2, _SALT, _PAIR = (np.uint64(value) for value in (MULTIPLIER_1, MULTIPLIER_2, SALT, PAIR_FACTOR))
_WORD_SALT, _PAIR_SALT = np.uint64(WORD_SALT), np.uint64(PAIR_SALT)
_ONE = np.uint64(1)


@njit(nogil=True, cache=True)
def _bucket(hashed: np.uint64, salt: np.uint64, buckets: np.uint64) -> np.uint64:
    x = hashed + salt * _SALT
    x = (x ^ (x >> np.uint64(30))) * _M1
    x = (x ^ (x >> np.uint64(27))) * _M2
    return np.uint64(((x ^ (x >> np.uint64(31))) >> _ONE) % buckets)


@njit(nogil=True, cache=True)
def sum_ngrams(
    codes_NL: npt.NDArray[np.uint8],
    table: Floats,
    powers: npt.NDArray[np.uint64],
    inverse_powers: npt.NDArray[np.uint64],
    word_codes: npt.NDArray[np.bool_],
    fill: int,
    min_order: int,
    max_order: int,
    word_order: int,
    sums_ND: Floats,
) -> None:
    """Sum the embeddings of each row's n-grams and divide by the square root of their number.

    Args:
        codes_NL: uint8 [N, L].
        table: float32 [buckets + 1, D].
        powers: uint64 [L + 1], of BASE.
        inverse_powers: uint64 [L + 1], of its inverse.
        word_codes: bool [256].
        fill: The code after the text.
        min_order: Shortest character n-gram.
        max_order: Longest one.
        word_order: 0, 1 or 2.
        sums_ND: float32 [N, D], written.
    """
    length = codes_NL.shape[1]
    buckets = np.uint64(table.shape[0] - 1)
    dim = table.shape[1]
    prefix = np.zeros(length + 1, np.uint64)
    total = np.empty(dim, np.float32)
    for row in range(codes_NL.shape[0]):
        total[:] = 0
        count = 0
        start = 0
        word_before = np.uint64(0)
        has_word_before = False
        for position in range(length):
            code = codes_NL[row, position]
            prefix[position + 1] = prefix[position] + (np.uint64(code) + _ONE) * powers[position]
            if code != fill:
                for order in range(min_order, min(max_order, position + 1) + 1):
                    first = position + 1 - order
                    hashed = (prefix[position + 1] - prefix[first]) * inverse_powers[first]
                    bucket = _bucket(hashed, np.uint64(order), buckets)
                    for index in range(dim):
                        total[index] += table[bucket, index]
                    count += 1
            if word_order == 0:
                continue
            if not word_codes[code]:
                start = position + 1
                continue
            if position + 1 < length and word_codes[codes_NL[row, position + 1]]:
                continue
            word = (prefix[position + 1] - prefix[start]) * inverse_powers[start]
            bucket = _bucket(word, _WORD_SALT, buckets)
            for index in range(dim):
                total[index] += table[bucket, index]
            count += 1
            if word_order > 1 and has_word_before:
                bucket = _bucket(word + word_before * _PAIR, _PAIR_SALT, buckets)
                for index in range(dim):
                    total[index] += table[bucket, index]
                count += 1
            word_before = word
            has_word_before = True
        scale = np.float32(1.0) / np.sqrt(np.float32(max(count, 1)))
        for index in range(dim):
            sums_ND[row, index] = total[index] * scale
