"""The `ngram` network in Numba, for scoring without torch. Follows ngram_hash.py; equal to ngram.py but for rounding. Pure.

A row goes in three passes: hash, look up, classify. Hashes of all n-grams of one order are made side by side, the longer from the
shorter, and look-ups know all their addresses beforehand, so that many are under way at once. folded_ngram.py makes the arrays.
N rows, L max_length, D width of a looked-up vector, K classes.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from model.ngram_hash import MULTIPLIER_1, MULTIPLIER_2, PAIR_FACTOR, PAIR_SALT, SALT, WORD_SALT
from model.softmax_kernel import write_softmax
from model.vector_kernel import LANES, add, load_4, load_8, load_16, store

Floats = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint64]

_M1, _M2, _SALT, _PAIR = (np.uint64(value) for value in (MULTIPLIER_1, MULTIPLIER_2, SALT, PAIR_FACTOR))
_WORD_SALT, _PAIR_SALT = np.uint64(WORD_SALT), np.uint64(PAIR_SALT)
_ZERO, _ONE, _27, _30, _31 = (np.uint64(value) for value in (0, 1, 27, 30, 31))


class NgramTables(NamedTuple):
    """What the kernel reads.

    Attributes:
        powers: uint64 [L + 1], of BASE.
        word_codes: bool [256], which codes belong to words.
        num_codes: Codes with the fill code, which is the last one.
        min_order: Shortest character n-gram.
        max_order: Longest one, at most L.
        word_order: 0, 1 or 2.
        vectors: float32 [buckets + 1, D], D 4, 8 or a multiple of 16; the last row is zero.
        weight: float32 [D, K], divided by the temperature; [0, K] where the vectors are logits already.
        bias: float32 [K], divided by the temperature.
    """

    powers: Words
    word_codes: npt.NDArray[np.bool_]
    num_codes: int
    min_order: int
    max_order: int
    word_order: int
    vectors: Floats
    weight: Floats
    bias: Floats


@njit(nogil=True, cache=True, inline="always")
def _mix(hashed: Any, salt: Any) -> Any:
    x = hashed + salt * _SALT
    x = (x ^ (x >> _30)) * _M1
    x = (x ^ (x >> _27)) * _M2
    return (x ^ (x >> _31)) >> _ONE


@njit(nogil=True, cache=True, error_model="numpy")
def fold_classes(vectors: Floats, weight_KD: npt.NDArray[np.float64], folded: Floats) -> None:
    """Multiply every vector by a matrix.

    Args:
        vectors: float32 [buckets + 1, D].
        weight_KD: float64 [K, D].
        folded: float32 [buckets + 1, K or more], written.
    """
    for bucket in range(vectors.shape[0]):
        for label in range(weight_KD.shape[0]):
            value = 0.0
            for index in range(weight_KD.shape[1]):
                value += vectors[bucket, index] * weight_KD[label, index]
            folded[bucket, label] = value


@njit(nogil=True, cache=True, error_model="numpy")
def _hash_ngrams(codes_L: npt.NDArray[np.uint8], stop: int, tables: NgramTables, hashes: Words, ids: Words) -> int:
    """Hash a row's character n-grams: those that do not end in the fill code.

    Args:
        codes_L: uint8 [L].
        stop: After the last code that is not fill.
        tables: The network's.
        hashes: uint64 [L], scratch.
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
        # Slices, since with them the compiler sees that no index is negative, and goes in wide steps.
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
    codes_L: npt.NDArray[np.uint8], stop: int, tables: NgramTables, words: Words, ids: Words, count: int
) -> int:
    """Hash a row's words and their pairs.

    Args:
        codes_L: uint8 [L].
        stop: After the last code that is not fill.
        tables: The network's.
        words: uint64 [L + 1], scratch.
        ids: uint64, written from count on, before they are taken modulo the number of buckets.
        count: How many are there.

    Returns:
        How many are there now.
    """
    num_words, place, word = 0, 0, _ZERO
    is_inside = tables.word_codes[codes_L[0]] and stop > 0
    for position in range(stop):
        # Without branches: where words end is what a processor guesses worst.
        was_inside = is_inside
        word = word + (np.uint64(codes_L[position]) + _ONE) * tables.powers[place] if was_inside else _ZERO
        place = place + 1 if was_inside else 0
        is_inside = position + 1 < stop and tables.word_codes[codes_L[position + 1]]
        words[num_words] = word
        num_words += was_inside and not is_inside
    for index in range(num_words):
        ids[count + index] = _mix(words[index], _WORD_SALT)
    count += num_words
    if tables.word_order < 2:
        return count
    for index in range(1, num_words):
        ids[count + index - 1] = _mix(words[index] + words[index - 1] * _PAIR, _PAIR_SALT)
    return count + max(num_words - 1, 0)


@njit(nogil=True, cache=True, error_model="numpy")
def _sum_vectors(ids: Words, count: int, vectors: Floats, sums: Floats) -> None:
    """Add up looked-up vectors. Two sums at a time, since the next addition must wait for the one before."""
    width = vectors.shape[1]
    last = vectors.shape[0] - 1  # All zero.
    if count % 2:
        ids[count] = last
    half = (count + 1) // 2
    ids_a, ids_b = ids[:half], ids[half : 2 * half]
    if width == 4:
        a, b = load_4(vectors, last * 4), load_4(vectors, last * 4)
        for index in range(half):
            a = add(a, load_4(vectors, np.int64(ids_a[index]) * 4))
            b = add(b, load_4(vectors, np.int64(ids_b[index]) * 4))
        store(sums, 0, add(a, b))
        return
    if width == 8:
        c, d = load_8(vectors, last * 8), load_8(vectors, last * 8)
        for index in range(half):
            c = add(c, load_8(vectors, np.int64(ids_a[index]) * 8))
            d = add(d, load_8(vectors, np.int64(ids_b[index]) * 8))
        store(sums, 0, add(c, d))
        return
    for step in range(0, width, LANES):
        e, f = load_16(vectors, last * width + step), load_16(vectors, last * width + step)
        for index in range(half):
            e = add(e, load_16(vectors, np.int64(ids_a[index]) * width + step))
            f = add(f, load_16(vectors, np.int64(ids_b[index]) * width + step))
        store(sums, step, add(e, f))


@njit(nogil=True, cache=True, error_model="numpy")
def predict_ngrams(codes_NL: npt.NDArray[np.uint8], tables: NgramTables, probabilities_NK: Floats) -> None:
    """Codes to probabilities.

    Args:
        codes_NL: uint8 [N, L], none above the fill code.
        tables: The network's.
        probabilities_NK: float32 [N, K], written.
    """
    length, width, classes = codes_NL.shape[1], tables.vectors.shape[1], tables.bias.shape[0]
    buckets = np.uint64(tables.vectors.shape[0] - 1)
    is_power_of_two = buckets & (buckets - _ONE) == _ZERO
    hashes, words = np.empty(length, np.uint64), np.empty(length + 1, np.uint64)
    ids = np.empty(length * (tables.max_order + 2) + 1, np.uint64)
    sums, logits = np.empty(width, np.float32), np.empty(classes, np.float32)
    for row in range(codes_NL.shape[0]):
        codes_L = codes_NL[row]
        stop = length
        while stop > 0 and codes_L[stop - 1] == tables.num_codes - 1:
            stop -= 1
        count = _hash_ngrams(codes_L, stop, tables, hashes, ids)
        if tables.word_order > 0:
            count = _hash_words(codes_L, stop, tables, words, ids, count)
        if is_power_of_two:
            for index in range(count):
                ids[index] &= buckets - _ONE
        else:
            for index in range(count):
                ids[index] %= buckets
        _sum_vectors(ids, count, tables.vectors, sums)
        scale = np.float32(1) / np.sqrt(np.float32(max(count, 1)))
        if tables.weight.shape[0] == 0:
            for label in range(classes):
                logits[label] = tables.bias[label] + sums[label] * scale
        else:
            logits[:] = tables.bias
            for index in range(width):
                for label in range(classes):
                    logits[label] += tables.weight[index, label] * (sums[index] * scale)
        write_softmax(logits, probabilities_NK[row])
