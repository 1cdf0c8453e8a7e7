"""When a file counts as complete."""

import time
from pathlib import Path

import pytest

from jobs.drops.arrivals import Arrivals
from jobs.drops.inbox import InboxFile


class Clock:
    """Both clocks, moved by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def _file(signature: str, changed_at: float, *, is_signalled: bool = False) -> InboxFile:
    return InboxFile(
        path=Path("a.csv"), num_bytes=1, changed_at=changed_at, signature=signature, is_signalled=is_signalled
    )


def _look(arrivals: Arrivals, file: InboxFile) -> bool:
    arrivals.begin_look([file])
    return arrivals.is_complete(file)


def test_a_file_is_complete_when_it_has_not_changed_for_a_while(clock: Clock) -> None:
    arrivals = Arrivals(5.0)
    assert not _look(arrivals, _file("a", changed_at=998))
    assert arrivals.num_incomplete == 1
    assert arrivals.seconds_left(skip_growing=True) == [3.0]
    clock.now += 3
    assert _look(arrivals, _file("a", changed_at=998))
    assert arrivals.num_incomplete == 0


def test_a_file_system_with_another_clock_is_not_waited_for_longer(clock: Clock) -> None:
    arrivals = Arrivals(5.0)
    assert not _look(arrivals, _file("a", changed_at=90_000))
    clock.now += 5
    assert _look(arrivals, _file("a", changed_at=90_000))


def test_a_file_that_grows_need_not_be_waited_for(clock: Clock) -> None:
    arrivals = Arrivals(5.0)
    assert not _look(arrivals, _file("a", changed_at=1000))
    clock.now += 4
    assert not _look(arrivals, _file("ab", changed_at=1004))
    assert arrivals.seconds_left(skip_growing=True) == []
    assert arrivals.seconds_left(skip_growing=False) == [5.0]


def test_what_the_sender_says_counts_at_once(clock: Clock) -> None:
    assert _look(Arrivals(5.0), _file("a", changed_at=1000, is_signalled=True))


def test_a_file_that_is_gone_is_forgotten(clock: Clock) -> None:
    arrivals = Arrivals(5.0)
    assert not _look(arrivals, _file("a", changed_at=1000))
    arrivals.begin_look([])
    assert arrivals.num_incomplete == 0
    clock.now += 4
    assert not _look(arrivals, _file("b", changed_at=1004))
    assert arrivals.seconds_left(skip_growing=True) == [5.0]
