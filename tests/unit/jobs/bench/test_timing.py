"""Contestants are timed in turn, and compared within each round; by a clock of the test's own."""

import errno
import os
from functools import partial

import pytest

from jobs.bench.timing import Contestant, Role, Section, Work, measure
from pipeline.errors import MissingError, UsageError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds since ever, for contestants to put forward."""
    now = [0.0]
    monkeypatch.setattr("jobs.bench.timing.time.perf_counter", lambda: now[0])
    return now


def _taking(clock: list[float], seconds: list[float]) -> Work:
    left = iter(seconds)

    def work() -> None:
        clock[0] += next(left)

    return work


def _failing(error: Exception) -> Work:
    def work() -> None:
        raise error

    return work


def _contestant(name: str, role: Role, work: Work, num_rows: int = 100) -> Contestant:
    return Contestant(name, role, num_rows, lambda: work)


def _measure(*contestants: Contestant, num_runs: int = 3) -> dict[str, dict[str, object]]:
    section = Section(part="encode", title="a section", contestants=list(contestants), left_out={"absent": "why"})
    report = measure(section, num_runs, tell=lambda _: None, peak=lambda _: 7.0)
    return {result["name"]: result for result in report["results"]} | {"left out": report["left_out"]}


def test_a_ratio_is_the_median_of_those_within_each_round(clock: list[float]) -> None:
    results = _measure(
        _contestant("mine", "ours", _taking(clock, [50, 1, 4, 2])),
        _contestant("it", "peer", _taking(clock, [9, 4, 4, 6]), num_rows=200),
    )
    mine, it = results["mine"], results["it"]
    assert (mine["first_call_seconds"], it["first_call_seconds"]) == (50, 9)
    assert mine["seconds"] == [1, 4, 2]
    assert (mine["rows_per_second"], mine["lowest"], mine["highest"], mine["spread"]) == (50, 25, 100, 1.5)
    assert it["ratios"] == [2, 0.5, 1.5]  # The ratio of the medians would be 1.
    assert it["ours_against_it"] == 1.5
    assert it["peak_mebibytes"] == 7


def test_only_a_peer_may_fail_and_only_for_reasons_of_its_own(clock: list[float]) -> None:
    ours = partial(_contestant, "mine", "ours")
    results = _measure(
        ours(_taking(clock, [1, 1, 1, 1])), _contestant("it", "peer", _failing(ValueError("two\nlines")))
    )
    assert results["left out"] == {"absent": "why", "it": "failed: ValueError: two lines"}
    assert "it" not in results
    with pytest.raises(ValueError, match="mine"):
        _measure(ours(_failing(ValueError("mine"))))
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OSError, match="space"):
        _measure(ours(_taking(clock, [1])), _contestant("it", "peer", _failing(full)))
    with pytest.raises(UsageError):
        _measure(ours(_taking(clock, [1])), _contestant("it", "peer", _failing(UsageError("ours, beneath"))))


def test_who_lacks_something_is_named_even_if_ours(clock: list[float]) -> None:
    missing = _contestant("more of mine", "ours", _failing(MissingError("it needs a compiler")))
    results = _measure(_contestant("mine", "ours", _taking(clock, [1, 1, 1, 1])), missing)
    assert results["left out"] == {"absent": "why", "more of mine": "it needs a compiler"}


def test_without_ours_there_is_no_ratio(clock: list[float]) -> None:
    results = _measure(_contestant("it", "ceiling", _taking(clock, [1, 1, 1, 1])))
    assert results["it"]["ours_against_it"] is None
