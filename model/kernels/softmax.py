"""Softmax, the end of every network, in Numba: of one row of logits, or behind a linear layer for a batch."""

import numpy as np
from numba import njit

from model.kernels.length import Integers
from model.kernels.product import TILE, Floats, multiply_tile
from model.kernels.vector import LANES


@njit(nogil=True, cache=True)
def write_softmax(logits: Floats, probabilities_K: Floats) -> None:
    """Turn a row's logits into probabilities.

    Args:
        logits: float32 [K or more].
        probabilities_K: float32 [K], written.
    """
    num_classes = probabilities_K.shape[0]
    highest = logits[0]
    for index in range(1, num_classes):
        highest = max(highest, logits[index])
    total = np.float32(0)
    for index in range(num_classes):
        probabilities_K[index] = np.exp(logits[index] - highest)
        total += probabilities_K[index]
    for index in range(num_classes):
        probabilities_K[index] /= total


@njit(nogil=True, cache=True, error_model="numpy")
def write_linear_softmax(
    features: Floats, width: int, inner: int, packed: Floats, bias: Floats, rows: Integers, probabilities_NK: Floats
) -> None:
    """Run a linear layer and softmax on a batch.

    Args:
        features: float32, flat, row after row, with room for whole tiles.
        width: Distance from row to row.
        inner: Features of a row, at most `width`.
        packed: float32 [panels, inner, 16]; see `pack`.
        bias: float32 [K], filled up to whole vectors.
        rows: int64 [B], the row of `probabilities_NK` that each row of the batch goes to.
        probabilities_NK: float32 [N, K], written.
    """
    classes = bias.shape[0]
    logits, ones = np.empty(TILE * classes, np.float32), np.ones(TILE, np.float32)
    for tile in range(0, len(rows), TILE):
        for index in range(TILE):
            for unit in range(classes):  # As a slice it takes a second and a half more to compile.
                logits[index * classes + unit] = bias[unit]
        for panel in range(classes // LANES):
            at, to = panel * inner * LANES, panel * LANES
            multiply_tile(features, tile * width, width, inner, packed, at, ones, logits, to, classes)
        for index in range(min(TILE, len(rows) - tile)):
            write_softmax(logits[index * classes :], probabilities_NK[rows[tile + index]])
