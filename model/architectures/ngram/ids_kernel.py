"""The buckets of a text's n-grams and words, in Numba: which rows of the table to look up, as `hashing.py` says.

The hashes of all n-grams of one order are made side by side, longer ones from shorter ones. `folded.py` makes the arrays.
N rows, L max_length, D width of a looked-up vector, K classes.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from model.architectures.ngram import hashing
from model.kernels.product import Floats

Words = npt.NDArray[np.uint64]

_M1, _M2 = np.uint64(hashing.MULTIPLIER_1), np.uint64(hashing.MULTIPLIER_2)
_SALT, _PAIR = np.uint64(hashing.SALT), np.uint64(hashing.PAIR_FACTOR)
_WORD_SALT, _PAIR_SALT = np.uint64(hashing.WORD_SALT), np.uint64(hashing.PAIR_SALT)
_CASED_SALT = np.uint64(hashing.CASED_SALT)
_ZERO, _ONE, _27, _30, _31 = (np.uint64(value) for value in (0, 1, 27, 30, 31))


class NgramTables(NamedTuple):
    """What the kernel reads.

    Attributes:
        powers: uint64 [L + 1], the powers of `BASE`.
        word_codes: bool [256], which codes belong to words.
        folded_codes: uint8 [256], the small letter of each code.
        has_capitals: Whether any code is not its own small letter.
        num_codes: Codes with the fill code, which is the last one.
        min_order: Shortest character n-gram.
        max_order: Longest one, at most L.
        word_order: 0, 1 or 2.
        word_weight: What a word counts; a character n-gram counts 1.
        num_buckets: Hashes are taken modulo this.
        vectors: float32 [buckets + 1, D], D 4, 8 or a multiple of 16; the last row is zero.
        weight: float32 [D, K], divided by the temperature; [0, K] where the vectors are logits already.
        bias: float32 [K], divided by the temperature.
    """

    powers: Words
    word_codes: npt.NDArray[np.bool_]
    folded_codes: npt.NDArray[np.uint8]
    has_capitals: bool
    num_codes: int
    min_order: int
    max_order: int
    word_order: int
    word_weight: float
    num_buckets: int
    vectors: Floats
    weight: Floats
    bias: Floats


class Scratch(NamedTuple):
    """Room for the hashes and buckets of one row.

    Attributes:
        folded: uint8 [L], the row in small letters.
        hashes: uint64 [L + 1], of n-grams, then of words.
        cased: uint64 [L + 1], of words as they are written.
        ngrams: uint64, buckets of character n-grams, and room for one more.
        words: uint64, buckets of words, and room for one more.
    """

    folded: npt.NDArray[np.uint8]
    hashes: Words
    cased: Words
    ngrams: Words
    words: Words


@njit(nogil=True, cache=True, inline="always")
def _mix(hashed: Any, salt: Any) -> Any:
    x = hashed + salt * _SALT
    x = (x ^ (x >> _30)) * _M1
    x = (x ^ (x >> _27)) * _M2
    return (x ^ (x >> _31)) >> _ONE


@njit(nogil=True, cache=True, error_model="numpy")
def _hash_ngrams(codes_L: npt.NDArray[np.uint8], stop: int, tables: NgramTables, hashes: Words, ids: Words) -> int:
    """Hash those character n-grams of a row that do not end in the fill code.

    Args:
        codes_L: uint8 [L].
        stop: After the last code that is not fill.
        tables: The network's.
        hashes: uint64 [L + 1], scratch.
        ids: uint64, written, before they are taken modulo the number of buckets.

    Returns:
        How many there are.
    """
    fill = tables.num_codes - 1
    has_holes = False
    for position in range(stop):
        hashes[position] = _ZERO
        has_holes |= codes_L[position] == fill
    count = 0
    for order in range(1, min(tables.max_order, stop) + 1):
        power, salt = tables.powers[order - 1], np.uint64(order)
        # With slices the compiler sees that no index is negative, and vectorises.
        last_codes, found = codes_L[order - 1 : stop], ids[count : count + stop - order + 1]
        if order < tables.min_order:
            for first in range(len(last_codes)):
                hashes[first] += (np.uint64(last_codes[first]) + _ONE) * power
            continue
        for first in range(len(last_codes)):
            hashed = hashes[first] + (np.uint64(last_codes[first]) + _ONE) * power
            hashes[first] = hashed
            found[first] = _mix(hashed, salt)
        if not has_holes:
            count += len(found)
            continue
        for first in range(len(last_codes)):
            ids[count] = found[first]
            count += last_codes[first] != fill
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def _hash_words(
    codes_L: npt.NDArray[np.uint8],
    folded_L: npt.NDArray[np.uint8],
    stop: int,
    tables: NgramTables,
    words: Words,
    cased: Words,
    ids: Words,
) -> int:
    """Hash a row's words, their pairs, and words with capitals as they are written.

    Args:
        codes_L: uint8 [L].
        folded_L: uint8 [L], the same in small letters.
        stop: After the last code that is not fill.
        tables: The network's.
        words: uint64 [L + 1], scratch.
        cased: uint64 [L + 1], scratch.
        ids: uint64, written, before they are taken modulo the number of buckets.

    Returns:
        How many there are.
    """
    num_words, place, word, written = 0, 0, _ZERO, _ZERO
    is_inside = tables.word_codes[folded_L[0]] and stop > 0
    for position in range(stop):
        # Without branches: the end of a word is what a processor predicts worst.
        was_inside = is_inside
        power = tables.powers[place]
        word = word + (np.uint64(folded_L[position]) + _ONE) * power if was_inside else _ZERO
        written = written + (np.uint64(codes_L[position]) + _ONE) * power if was_inside else _ZERO
        place = place + 1 if was_inside else 0
        is_inside = position + 1 < stop and tables.word_codes[folded_L[position + 1]]
        words[num_words] = word
        cased[num_words] = written
        num_words += was_inside and not is_inside
    for index in range(num_words):
        ids[index] = _mix(words[index], _WORD_SALT)
    count = num_words
    if tables.word_order > 1:
        for index in range(1, num_words):
            ids[count + index - 1] = _mix(words[index] + words[index - 1] * _PAIR, _PAIR_SALT)
        count += max(num_words - 1, 0)
    if tables.has_capitals:
        for index in range(num_words):
            ids[count] = _mix(cased[index], _CASED_SALT)
            count += cased[index] != words[index]
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def _into_buckets(ids: Words, count: int, num_buckets: int) -> None:
    buckets = np.uint64(num_buckets)
    if buckets & (buckets - _ONE) == _ZERO:
        for index in range(count):
            ids[index] &= buckets - _ONE
    else:
        for index in range(count):
            ids[index] %= buckets


@njit(nogil=True, cache=True, error_model="numpy")
def find_ngrams(codes_L: npt.NDArray[np.uint8], tables: NgramTables, scratch: Scratch) -> tuple[int, int]:
    """Put the buckets of a row's n-grams and words into `scratch`.

    Returns:
        How many character n-grams there are, and how many words.
    """
    stop = len(codes_L)
    while stop > 0 and codes_L[stop - 1] == tables.num_codes - 1:
        stop -= 1
    if tables.has_capitals:
        for position in range(len(codes_L)):
            scratch.folded[position] = tables.folded_codes[codes_L[position]]
    else:
        scratch.folded[:] = codes_L
    num_ngrams = _hash_ngrams(scratch.folded, stop, tables, scratch.hashes, scratch.ngrams)
    num_words = 0
    if tables.word_order > 0:
        num_words = _hash_words(codes_L, scratch.folded, stop, tables, scratch.hashes, scratch.cased, scratch.words)
    _into_buckets(scratch.ngrams, num_ngrams, tables.num_buckets)
    _into_buckets(scratch.words, num_words, tables.num_buckets)
    return num_ngrams, num_words


@njit(nogil=True, cache=True, error_model="numpy")
def make_scratch(length: int, tables: NgramTables) -> Scratch:
    """Make room for rows of `length` codes."""
    return Scratch(
        np.empty(length, np.uint8),
        np.empty(length + 1, np.uint64),
        np.empty(length + 1, np.uint64),
        np.empty(length * tables.max_order + 1, np.uint64),
        np.empty(length * 2 + 2, np.uint64),
    )


@njit(nogil=True, cache=True, error_model="numpy")
def count_rows(
    codes_NL: npt.NDArray[np.uint8],
    tables: NgramTables,
    first_row: int,
    counts: npt.NDArray[np.int64],
    last_rows: npt.NDArray[np.int64],
) -> None:
    """Count in how many rows each bucket occurs.

    Args:
        codes_NL: uint8 [N, L], none above the fill code.
        tables: The network's; its vectors are not read.
        first_row: The number of the first row; no row may come twice.
        counts: int64 [buckets], added to.
        last_rows: int64 [buckets], the last row counted in each bucket, -1 before the first; updated.
    """
    scratch = make_scratch(codes_NL.shape[1], tables)
    for row in range(codes_NL.shape[0]):
        num_ngrams, num_words = find_ngrams(codes_NL[row], tables, scratch)
        for index in range(num_ngrams + num_words):
            bucket = np.int64(scratch.ngrams[index] if index < num_ngrams else scratch.words[index - num_ngrams])
            counts[bucket] += last_rows[bucket] != first_row + row
            last_rows[bucket] = first_row + row
