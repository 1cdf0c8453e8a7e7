"""Softmax against NumPy."""

import numpy as np

from model.kernels.softmax import write_softmax


def test_softmax_holds_for_large_logits_and_reads_no_filling() -> None:
    probabilities = np.empty(3, np.float32)
    write_softmax(np.array([1000, 1001, 999, 5000], np.float32), probabilities)
    np.testing.assert_allclose(probabilities, np.exp([-1, 0, -2]) / np.exp([-1, 0, -2]).sum(), rtol=1e-6)
