"""Reading ahead changes nothing but when items are made: not their order, not what fails, and no thread outlives its use."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from pipeline.execution.read_ahead import read_ahead
from tests.commands import ROOT


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def _readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("charmill-read-ahead")]


@pytest.mark.parametrize("num_items", [0, 1, 2, 100])
def test_items_come_in_order_and_whole(num_items: int) -> None:
    assert list(read_ahead(iter(range(num_items)))) == list(range(num_items))
    assert not _readers()


def test_one_item_is_made_while_another_is_used_and_no_more() -> None:
    made: list[int] = []
    threads: set[int] = set()

    def make() -> Iterator[int]:
        for number in range(5):
            threads.add(threading.get_ident())
            made.append(number)
            yield number

    for number in read_ahead(make()):
        _until(lambda: len(made) == min(5, number + 2))  # noqa: B023
        time.sleep(0.005)
        assert len(made) == min(5, number + 2)
    assert threading.get_ident() not in threads
    assert len(threads) == 1


def test_what_the_iterator_raises_comes_in_its_place() -> None:
    def make() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the disk is gone")

    seen: list[int] = []
    with pytest.raises(OSError, match="the disk is gone"):
        seen.extend(read_ahead(make()))
    assert seen == [1, 2]
    assert not _readers()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_consumer_that_stops_early_ends_the_thread(error: type[BaseException]) -> None:
    closed = []

    def make() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.append(True)

    def consume() -> None:
        for _ in read_ahead(make()):
            assert len(_readers()) == 1
            raise error

    with pytest.raises(error):
        consume()
    assert not _readers()
    assert closed


_HELD = """
import itertools, time
from pipeline.execution.read_ahead import read_ahead
held = read_ahead(itertools.count())
print(next(held), flush=True)
"""


def test_an_iterator_that_is_never_closed_holds_up_no_exit() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _HELD], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


_WAITS = """
import signal, threading
from pipeline.execution.read_ahead import read_ahead
interrupted = threading.Event()
def interrupt(*_):
    interrupted.set()
    raise KeyboardInterrupt
def make():
    yield 0
    print("waits", flush=True)
    print("at once" if interrupted.wait(60) else "late", flush=True)
    yield 1
signal.signal(signal.SIGINT, interrupt)
try:
    for item in read_ahead(make()): pass
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_an_interrupt_ends_a_consumer_that_waits() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _WAITS], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waits\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (out, err, process.returncode) == ("at once\ninterrupted\n", "", 0)
