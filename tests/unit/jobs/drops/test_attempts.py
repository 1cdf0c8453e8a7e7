"""The pauses between attempts."""

import time

import pytest

from jobs.drops.attempts import Attempts


def test_pauses_double_up_to_five_minutes_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    attempts = Attempts(6, 30.0)
    assert [attempts.next_at("a") for _ in range(6)] == [1030, 1060, 1120, 1240, 1300, None]
    assert attempts.next_at("b") == 1030
    assert Attempts(1, 30.0).next_at("a") is None
