"""What vectors compute, lane by lane, is what NumPy computes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numba import njit

from model.kernels import vector
from model.kernels.vector import LANES, load_4, load_8, load_16, load_spread, spread, store, total

Floats = npt.NDArray[np.float32]
LOADS: dict[int, Any] = {4: load_4, 8: load_8, LANES: load_16}


def numbers(seed: int, size: int = LANES) -> Floats:
    """Of both signs, the first one the same whatever the seed."""
    drawn = np.random.default_rng(seed).normal(0, 100, size).astype(np.float32)
    drawn[0] = 7
    return drawn


def applied(operation: Callable[[Any, Any, Any], Any], lanes: int, *operands: Floats) -> Floats:
    """An operation on vectors that stand at index 1 of flat arrays; what lies around them stays."""
    load, compiled = LOADS[lanes], njit(operation)

    @njit()
    def run(operands: Floats, result: Floats) -> None:
        store(result, 1, compiled(load(operands[0], 1), load(operands[1], 1), load(operands[2], 1)))

    result = np.full(lanes + 2, 99, np.float32)
    run(np.pad(np.stack(operands), ((0, 0), (1, 1)), constant_values=np.nan), result)
    assert result[[0, -1]].tolist() == [99, 99]
    return result[1:-1]


@pytest.mark.parametrize("lanes", LOADS)
def test_each_lane_is_numpys(lanes: int) -> None:
    a, b, c = (numbers(seed, lanes) for seed in range(3))
    exact: list[tuple[Callable[[Any, Any, Any], Any], Floats]] = [
        (lambda a, b, _: vector.add(a, b), a + b),
        (lambda a, b, _: vector.subtract(a, b), a - b),
        (lambda a, b, _: vector.multiply(a, b), a * b),
        (lambda a, _, c: vector.divide(c, vector.add(a, a)), c / (a + a)),
        (lambda a, b, _: vector.larger(a, b), np.maximum(a, b)),
        (lambda a, _b, _c: vector.positive_part(a), np.maximum(a, 0)),
    ]
    for operation, expected in exact:
        np.testing.assert_array_equal(applied(operation, lanes, a, b, c), expected)
    got = applied(lambda a, b, c: vector.multiply_add(b, a, c), lanes, a, b, c)  # Rounded once or twice.
    np.testing.assert_allclose(got, a.astype(np.float64) * b + c, rtol=1e-5, atol=1e-3)


def test_a_power_of_two_is_added_to_the_exponent() -> None:
    a, powers = np.abs(numbers(0)) + 1, np.arange(LANES) - 8
    lowest_bits = powers.astype(np.int32).view(np.float32)
    got = applied(lambda a, b, _: vector.add_exponent(a, b), LANES, a, lowest_bits, a)
    assert got.tolist() == (a * 2.0**powers).astype(np.float32).tolist()


@njit()
def _totals(a: Floats, results: Floats) -> None:
    results[0], results[1], results[2] = total(load_4(a, 0)), total(load_8(a, 0)), total(load_16(a, 0))


@njit()
def _spreads(a: Floats, index: int, results: Floats) -> None:
    store(results, 0, load_spread(a, index))
    store(results, LANES, spread(a[index]))


def test_a_total_is_the_sum_of_halves_and_one_number_fills_all_lanes() -> None:
    a, totals, spreads = numbers(5), np.empty(3, np.float32), np.empty(2 * LANES, np.float32)
    _totals(a, totals)
    for got, lanes in zip(totals, LOADS, strict=True):
        halves = a[:lanes]
        while len(halves) > 1:
            halves = halves[: len(halves) // 2] + halves[len(halves) // 2 :]
        assert got == halves[0]
    _spreads(a, 9, spreads)
    assert set(spreads.tolist()) == {a.tolist()[9]}
