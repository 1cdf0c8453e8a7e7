"""Thresholds keep what they say, by the comparison that scoring makes, and the lowest one that reaches an accuracy is found."""

from itertools import pairwise

import numpy as np
import pytest

from model.measuring.coverage import MAX_POINTS, coverage_curve, find_targets, least_rows
from model.runs.accuracy import accuracy_of
from model.runs.evaluation import Coverage


def rows(num_rows: int, num_values: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Confidences of so many different values, right as often as they say."""
    generator = np.random.default_rng(seed)
    confidences_N = generator.choice(generator.random(num_values), num_rows).astype(np.float32)
    return confidences_N, generator.random(num_rows) < confidences_N


def recomputed(point: Coverage, confidences_N: np.ndarray, is_right_N: np.ndarray) -> tuple[float, float]:
    """Coverage and accuracy as `abstained` in scores gives them."""
    abstained = confidences_N < np.float32(point.min_confidence)
    return (~abstained).mean(), is_right_N[~abstained].mean()


@pytest.mark.parametrize(("num_rows", "num_values"), [(1, 1), (7, 7), (500, 3), (500, 100_000), (3000, 400)])
def test_the_curve_says_what_is_left(num_rows: int, num_values: int) -> None:
    confidences_N, is_right_N = rows(num_rows, num_values)
    curve = coverage_curve(confidences_N, is_right_N)
    assert len(curve) == min(MAX_POINTS, len(np.unique(confidences_N)))
    assert curve[0].coverage == 1
    assert curve[-1].min_confidence == confidences_N.max()
    for before, after in pairwise(curve):
        assert before.coverage > after.coverage
        assert before.min_confidence < after.min_confidence
    assert curve[0].accuracy.rows == num_rows
    for point in curve:
        assert (point.coverage, point.accuracy.share) == pytest.approx(recomputed(point, confidences_N, is_right_N))


@pytest.mark.parametrize(("num_rows", "num_values"), [(60, 60), (800, 20), (4000, 100_000)])
@pytest.mark.parametrize("accuracy", [0.6, 0.8, 0.9])
def test_the_lowest_threshold_is_found(num_rows: int, num_values: int, accuracy: float) -> None:
    confidences_N, is_right_N = rows(num_rows, num_values)
    (target,) = find_targets([accuracy], confidences_N, is_right_N, temperature=1.0)
    enough = [
        value
        for value in np.unique(confidences_N)
        if is_right_N[confidences_N >= value].mean() >= accuracy
        and (confidences_N >= value).sum() >= least_rows(accuracy)
    ]
    if not enough:
        assert target.reached is None
        return
    assert target.reached is not None
    share, right = recomputed(target.reached, confidences_N, is_right_N)
    assert right >= accuracy
    assert (share, right) == pytest.approx((target.reached.coverage, target.reached.accuracy.share))
    assert share == pytest.approx((confidences_N >= min(enough)).mean(), abs=2 / num_rows)


@pytest.mark.parametrize("temperature", [1.0, 0.05])
def test_a_threshold_keeps_its_distance_from_what_engines_may_round(temperature: float) -> None:
    margin = 9e-7 / temperature if temperature < 1 else 9e-7
    confidences_N, is_right_N = rows(4000, 100_000)
    for target in find_targets([0.7, 0.9, 0.95], confidences_N, is_right_N, temperature=temperature):
        assert target.reached is not None
        assert np.abs(confidences_N.astype(np.float64) - target.reached.min_confidence).min() > margin


def test_a_handful_of_rows_does_not_count() -> None:
    assert [least_rows(0.95), least_rows(0.99)] == [60, 300]
    confidences_N = np.linspace(0.1, 0.9, 600, dtype=np.float32)
    for num_right, reached in ((296, False), (297, True)):
        is_right_N = np.arange(600) >= 600 - num_right
        (target,) = find_targets([0.99], confidences_N, is_right_N, temperature=1.0)
        assert (target.reached is not None) == reached


def test_no_threshold_where_all_rows_are_good_enough_or_none_can_be_told_apart() -> None:
    equal = np.full(400, 0.5, np.float32)
    (all_right,) = find_targets([0.99], equal, np.ones(400, np.bool_), temperature=1.0)
    assert all_right.reached == Coverage(min_confidence=0.0, coverage=1.0, accuracy=accuracy_of(400, 400))
    (half_right,) = find_targets([0.99], equal, np.arange(400) % 2 == 0, temperature=1.0)
    assert half_right.reached is None
    for distance, reached in ((0.0, False), (1.5e-6, False), (4e-6, True)):
        close = np.where(np.arange(400) < 100, 0.5, 0.5 + distance).astype(np.float32)
        (target,) = find_targets([0.99], close, np.arange(400) >= 100, temperature=1.0)
        assert (target.reached is not None) == reached
