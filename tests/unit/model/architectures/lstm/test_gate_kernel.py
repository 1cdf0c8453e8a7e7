"""The gates' curves against NumPy's in float64, where they bend, where they are flat, and far out."""

import numpy as np
import numpy.typing as npt
import pytest
from numba import njit

from model.architectures.lstm.gate_kernel import hyperbolic_tangent, logistic
from model.kernels.vector import LANES, load_16, store

Floats = npt.NDArray[np.float32]


@njit()
def _fill(x: Floats, logistics: Floats, tangents: Floats) -> None:
    for step in range(0, len(x), LANES):
        store(logistics, step, logistic(load_16(x, step)))
        store(tangents, step, hyperbolic_tangent(load_16(x, step)))


@pytest.mark.parametrize("reach", [1e-6, 1, 20, 100, 3e38])
def test_they_are_numpys(reach: float) -> None:
    x = np.linspace(-reach, reach, 4096).astype(np.float32)
    logistics, tangents = np.empty((2, len(x)), np.float32)
    _fill(x, logistics, tangents)
    doubles = np.clip(x.astype(np.float64), -700, 700)
    np.testing.assert_allclose(logistics, 1 / (1 + np.exp(-doubles)), atol=3e-7, rtol=0)
    np.testing.assert_allclose(tangents, np.tanh(doubles), atol=3e-7, rtol=0)
    assert (np.diff(logistics) >= -2e-7).all()


def test_a_small_value_keeps_its_share_of_accuracy() -> None:
    """A gate that is nearly shut lets through what it should, not nothing."""
    x = np.linspace(-80, -20, 64).astype(np.float32)
    logistics, tangents = np.empty((2, len(x)), np.float32)
    _fill(x, logistics, tangents)
    np.testing.assert_allclose(logistics, 1 / (1 + np.exp(-x.astype(np.float64))), rtol=1e-6)
