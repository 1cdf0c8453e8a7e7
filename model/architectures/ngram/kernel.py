"""The kernel of the `ngram` network, for scoring without torch: what `network.py` computes, but for rounding.

A row takes three passes: hash, look up, classify. All addresses are known before the look-ups, so that many are under way at once.
N rows, L max_length, D width of a looked-up vector, K classes.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from model.architectures.ngram.ids_kernel import NgramTables, Words, find_ngrams, make_scratch
from model.kernels.product import Floats
from model.kernels.softmax import write_softmax
from model.kernels.vector import LANES, add, load_4, load_8, load_16, store


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
def _sum_vectors(ids: Words, count: int, vectors: Floats, sums: Floats) -> None:
    """Look vectors up and sum them, in two sums at a time, since an addition must wait for the one before it."""
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
    """Turn codes into probabilities.

    Args:
        codes_NL: uint8 [N, L], none above the fill code.
        tables: The network's.
        probabilities_NK: float32 [N, K], written.
    """
    width, classes = tables.vectors.shape[1], tables.bias.shape[0]
    scratch = make_scratch(codes_NL.shape[1], tables)
    sums, word_sums, logits = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(classes, np.float32)
    weight = np.float32(tables.word_weight)
    for row in range(codes_NL.shape[0]):
        num_ngrams, num_words = find_ngrams(codes_NL[row], tables, scratch)
        _sum_vectors(scratch.ngrams, num_ngrams, tables.vectors, sums)
        _sum_vectors(scratch.words, num_words, tables.vectors, word_sums)
        scale = np.float32(1) / np.sqrt(
            max(np.float32(num_ngrams) + weight * weight * np.float32(num_words), np.float32(1))
        )
        for index in range(width):
            sums[index] = (sums[index] + weight * word_sums[index]) * scale
        if tables.weight.shape[0] == 0:
            for label in range(classes):
                logits[label] = tables.bias[label] + sums[label]
        else:
            logits[:] = tables.bias
            for index in range(width):
                for label in range(classes):
                    logits[label] += tables.weight[index, label] * sums[index]
        write_softmax(logits, probabilities_NK[row])
