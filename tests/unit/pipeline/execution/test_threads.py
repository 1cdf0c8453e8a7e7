"""Overlapped stages give what a plain loop gives, in order, with bounded work under way, and end when the caller does."""

import threading
import time
from collections.abc import Generator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.execution.threads import MAX_BYTES, map_in_threads


def numbers(count: int, ended: threading.Event | None = None) -> Generator[int, None, None]:
    try:
        yield from range(count)
    finally:
        if ended is not None:
            ended.set()


def no_size(_: int) -> int:
    return 0


@settings(max_examples=50, deadline=None)
@given(count=st.integers(0, 40), num_threads=st.integers(1, 4), seed=st.integers(0, 99))
def test_results_come_in_order(count: int, num_threads: int, seed: int) -> None:
    def work(item: int) -> int:
        time.sleep((item * 7919 + seed) % 5 / 10_000)
        return item * item

    assert list(map_in_threads(numbers(count), work, no_size, num_threads)) == [item * item for item in range(count)]


@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("fails", ["work", "items"])
def test_an_exception_comes_after_the_results_before_it(num_threads: int, fails: str) -> None:
    def items() -> Generator[int, None, None]:
        yield from range(5)
        if fails == "items":
            raise ValueError("fifth")
        yield 5

    def work(item: int) -> int:
        if item == 5:
            raise ValueError("fifth")
        return item

    results = map_in_threads(items(), work, no_size, num_threads)
    assert [next(results) for _ in range(5)] == list(range(5))
    with pytest.raises(ValueError, match="fifth"):
        next(results)


@pytest.mark.parametrize("num_threads", [1, 3])
def test_a_caller_that_stops_early_stops_all(num_threads: int) -> None:
    before = threading.active_count()
    ended = threading.Event()
    with closing(map_in_threads(numbers(1000, ended), lambda item: item, no_size, num_threads)) as results:
        assert next(results) == 0
    assert ended.wait(5)
    for _ in range(100):
        if threading.active_count() == before:
            break
        time.sleep(0.01)
    assert threading.active_count() == before


@pytest.mark.parametrize(("size", "most"), [(0, 4), (MAX_BYTES, 1), (MAX_BYTES * 3 // 5, 2)])
def test_so_much_is_under_way_and_no_more(size: int, most: int) -> None:
    made = 0

    def items() -> Generator[int, None, None]:
        nonlocal made
        for item in range(30):
            made += 1
            yield item

    with closing(map_in_threads(items(), lambda item: item, lambda _: size, 2)) as results:
        for taken, _ in enumerate(results):
            time.sleep(0.005)  # Time enough to make too many.
            assert made <= taken + most
    assert made == 30


def test_items_are_worked_on_side_by_side() -> None:
    both = threading.Barrier(2, timeout=10)

    def meet(_: int) -> bool:
        both.wait()
        return True

    assert all(map_in_threads(numbers(4), meet, no_size, 2))
