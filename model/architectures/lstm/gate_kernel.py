"""The two curves of an LSTM's gates, the logistic function and tanh, for 16 numbers at once, in Numba.

exp(x) is 2**n exp(r) with an integer n and |r| up to half of ln 2, where eight terms of the Taylor series are exact to float32's rounding.
Adding and subtracting 1.5 * 2**23 rounds to integers, which then lie in the lowest bits. The reduction is Cody and Waite's
("Software Manual for the Elementary Functions", 1980). Results are within 3e-7 of the curves.
"""

from typing import Any

import numpy as np
from numba import njit

from model.kernels.vector import add, add_exponent, divide, larger, multiply, multiply_add, spread, subtract

_LIMIT = np.float32(87)  # Beyond, exp leaves the normal float32; 1 / (1 + exp(87)) is 0 to 37 places.
_LOG2_E = np.float32(1 / np.log(2))
_ROUNDER = np.float32(1.5 * 2**23)
_LN2_HIGH = np.float32(0.693359375)  # Exact in 10 bits, so its product with n is exact.
_LN2_LOW = np.float32(np.log(2) - 0.693359375)


@njit(nogil=True, cache=True)
def _exponential(x: Any) -> Any:
    """exp(x) of a vector of 16, for x from -87 to 87."""
    rounded = multiply_add(x, spread(_LOG2_E), spread(_ROUNDER))
    n = subtract(rounded, spread(_ROUNDER))
    r = multiply_add(n, spread(-_LN2_HIGH), x)
    r = multiply_add(n, spread(-_LN2_LOW), r)
    y = spread(np.float32(1 / 5040))
    y = multiply_add(y, r, spread(np.float32(1 / 720)))
    y = multiply_add(y, r, spread(np.float32(1 / 120)))
    y = multiply_add(y, r, spread(np.float32(1 / 24)))
    y = multiply_add(y, r, spread(np.float32(1 / 6)))
    y = multiply_add(y, r, spread(np.float32(0.5)))
    y = multiply_add(y, r, spread(np.float32(1)))
    y = multiply_add(y, r, spread(np.float32(1)))
    return add_exponent(y, rounded)


@njit(nogil=True, cache=True)
def logistic(x: Any) -> Any:
    """1 / (1 + exp(-x)) of a vector of 16."""
    one, lowest = spread(np.float32(1)), spread(-_LIMIT)
    negative = subtract(spread(np.float32(0)), larger(x, lowest))
    return divide(one, add(one, _exponential(larger(negative, lowest))))


@njit(nogil=True, cache=True)
def hyperbolic_tangent(x: Any) -> Any:
    """tanh(x) of a vector of 16, as twice the logistic function of 2x less 1."""
    doubled = logistic(multiply(x, spread(np.float32(2))))
    return subtract(add(doubled, doubled), spread(np.float32(1)))
