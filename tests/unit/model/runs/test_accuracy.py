"""Intervals are those of SciPy, and read well."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from model.runs.accuracy import accuracy_of

COUNTS = st.integers(1, 10**9).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows)))


@given(COUNTS | st.sampled_from([(0, 1), (1, 1), (0, 10**9), (10**9, 10**9)]))
def test_the_interval_is_wilson_s(counts: tuple[int, int]) -> None:
    accuracy = accuracy_of(*counts)
    expected = binomtest(*counts).proportion_ci(method="wilson")
    assert (accuracy.low, accuracy.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= accuracy.low <= accuracy.share <= accuracy.high <= 1
    assert accuracy.rows == counts[1]


@pytest.mark.parametrize(
    ("right", "rows", "shown"),
    [
        (4451, 5103, "87.22% (86.3 to 88.1, 5,103 rows)"),
        (1, 1, "100.00% (20.7 to 100.0, 1 row)"),
        (0, 20, "0.00% (0.0 to 16.1, 20 rows)"),
        (872_200, 1_000_000, "87.22% (87.15 to 87.29, 1,000,000 rows)"),
    ],
)
def test_it_reads_well(right: int, rows: int, shown: str) -> None:
    assert str(accuracy_of(right, rows)) == shown
