"""Temperatures are the best there are, and calibration errors are what the plain definition gives."""

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss

from model.measuring.calibration import (
    HIGHEST_TEMPERATURE,
    LOWEST_TEMPERATURE,
    Logits,
    WideLabelIds,
    confidences,
    cross_entropy,
    cross_fitted_confidences,
    fit_temperature,
    measure_calibration,
)
from model.runs.evaluation import NUM_BINS


def sample(num_rows: int, scale: float, num_classes: int = 4, seed: int = 0) -> tuple[Logits, WideLabelIds]:
    """Rows whose classes are drawn with the probabilities of their logits, and the logits scale times too large."""
    generator = np.random.default_rng(seed)
    logits_NK = generator.normal(0, 2, (num_rows, num_classes))
    probabilities_NK = softmax(logits_NK)
    drawn = (probabilities_NK.cumsum(1) < generator.random((num_rows, 1))).sum(1)
    return (scale * logits_NK).astype(np.float32), drawn.clip(max=num_classes - 1)


def softmax(logits_NK: np.ndarray) -> np.ndarray:
    powers = np.exp(logits_NK.astype(np.float64) - logits_NK.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_the_temperature_undoes_a_scale_and_is_the_best(scale: float) -> None:
    logits_NK, label_ids_N = sample(20_000, scale)
    temperature = fit_temperature(logits_NK, label_ids_N)
    assert temperature == pytest.approx(scale, rel=0.05)
    near = [cross_entropy(logits_NK, label_ids_N, temperature * factor) for factor in (0.99, 1.0, 1.01)]
    assert min(near) == near[1]
    assert near[1] == pytest.approx(log_loss(label_ids_N, softmax(logits_NK / temperature)))


@pytest.mark.parametrize("num_rows", [1, 50, 200_000])
def test_rows_in_blocks_give_what_all_at_once_do(num_rows: int) -> None:
    """As many as fill several blocks, and few."""
    logits_NK, label_ids_N = sample(num_rows, 2.0)
    expected_NK = softmax(logits_NK / 1.5)
    np.testing.assert_allclose(confidences(logits_NK, 1.5), expected_NK.max(1), rtol=2e-6)
    own_N = expected_NK[np.arange(num_rows), label_ids_N]
    assert cross_entropy(logits_NK, label_ids_N, 1.5) == pytest.approx(-np.log(own_N).mean())


def test_what_tells_nothing_ends_at_a_bound_or_changes_nothing() -> None:
    logits_NK, label_ids_N = sample(30, 1.0)
    assert fit_temperature(logits_NK, logits_NK.argmin(1)) == pytest.approx(HIGHEST_TEMPERATURE)
    assert fit_temperature(np.zeros_like(logits_NK), label_ids_N) == 1
    assert fit_temperature(logits_NK[:0], label_ids_N[:0]) == 1
    huge = np.array([[3e38, -3e38, 0]], np.float32)
    for temperature in (LOWEST_TEMPERATURE, 1.0):
        assert math.isfinite(cross_entropy(huge, np.array([1]), temperature))
    assert fit_temperature(logits_NK[:, :3], np.zeros(30, np.int64)) > 0  # Two classes have no row.


@pytest.mark.parametrize("num_rows", [1, 10, 1000])
def test_without_a_mistake_confidences_rise_no_further_than_so_many_rows_can_show(num_rows: int) -> None:
    logits_NK, _ = sample(num_rows, 0.5)
    temperature = fit_temperature(logits_NK, logits_NK.argmax(1))
    mean = float(confidences(logits_NK, temperature).mean())
    assert temperature == LOWEST_TEMPERATURE or mean == pytest.approx((num_rows + 1) / (num_rows + 2), abs=1e-4)
    assert LOWEST_TEMPERATURE <= temperature < 1
    assert fit_temperature(1e5 * logits_NK, logits_NK.argmax(1)) == 1  # They are above it already.
    assert fit_temperature(1e-9 * logits_NK, logits_NK.argmax(1)) == LOWEST_TEMPERATURE


def test_no_row_has_a_say_in_its_own_temperature() -> None:
    logits_NK, label_ids_N = sample(41, 2.0)
    before = cross_fitted_confidences(logits_NK, label_ids_N)
    changed_N = label_ids_N.copy()
    changed_N[::2] = logits_NK[::2].argmin(1)
    after = cross_fitted_confidences(logits_NK, changed_N)
    np.testing.assert_array_equal(after[::2], before[::2])
    assert (after[1::2] != before[1::2]).all()
    alone = cross_fitted_confidences(logits_NK[:1], label_ids_N[:1])
    np.testing.assert_array_equal(alone, confidences(logits_NK[:1], 1.0))


def test_bins_are_half_open_and_the_last_one_is_closed() -> None:
    values = np.array([0.0, 1 / 3, np.nextafter(np.float32(0.2), np.float32(0)), 0.99, 1.0], np.float32)
    measured = measure_calibration(values, np.array([True, True, False, False, True]))
    assert [index for index, one in enumerate(measured.bins) if one.rows] == [0, 2, 5, 14]
    assert measured.bins[14].rows == 2
    assert measured.bins[14].accuracy == 0.5
    assert measured.bins[14].confidence == pytest.approx(0.995)
    assert measured.bins[1].confidence == measured.bins[1].accuracy == 0
    assert len(measured.bins) == NUM_BINS
    wanted = (1 - 0 + 1 - 1 / 3 + 0.2 + 2 * (0.995 - 0.5)) / 5
    assert measured.ece == pytest.approx(wanted)


def test_fitting_makes_the_error_small() -> None:
    logits_NK, label_ids_N = sample(20_000, 4.0)
    is_right_N = logits_NK.argmax(1) == label_ids_N
    before = measure_calibration(confidences(logits_NK, 1.0), is_right_N)
    after = measure_calibration(cross_fitted_confidences(logits_NK, label_ids_N), is_right_N)
    assert before.ece > 0.1
    assert after.ece < 0.02
    assert sum(one.rows for one in after.bins) == 20_000
