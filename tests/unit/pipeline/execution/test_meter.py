"""Figures of progress, and the meter of callers who have no console."""

import time

import pytest

from pipeline.execution.meter import Meters, rates, silent


def test_rates_are_a_second() -> None:
    shown = rates(time.monotonic() - 2, 10_000, 5_000_000)
    assert shown["rows"] == 10_000
    assert 4000 < float(shown["rows/s"]) <= 5000


def test_a_silent_meter_asks_for_nothing_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    meters: Meters = silent
    with meters("encode", 100) as meter:
        meter.update(100, lambda: pytest.fail("nobody looks"))
        meter.note("a line", rows=1)
    assert capfd.readouterr() == ("", "")
