"""Softmax of one row, the end of every network, in Numba. Pure."""

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float32]


@njit(nogil=True, cache=True)
def write_softmax(logits: Floats, probabilities_K: Floats) -> None:
    """Turn logits into probabilities.

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
