"""Threads that work on the items of a job: one makes them, several work on them, and the caller takes the results in order.

Memory is bounded: no new item is made while too many, or too large ones, are under way.
"""

import os
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from queue import SimpleQueue
from typing import Generic, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_BYTES = 64 << 20
"""No further item is made while so much is under way."""

_STOP_SECONDS = 1.0


def available_threads(asked_for: int = 0) -> int:
    """Threads to use, at least 1: as many as were asked for, or 0 for as many as this process may run at once."""
    if asked_for:
        return asked_for
    if hasattr(os, "sched_getaffinity"):  # Not on macOS; where it is, it knows of containers and taskset.
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Execute(Protocol):
    """Does work on items, wherever: in threads, in processes, on other machines."""

    def __call__(
        self,
        items: Generator[Item, None, None],
        work: Callable[[Item], Result],
        size_of: Callable[[Item], int],
    ) -> Generator[Result, None, None]:
        """Yield `work(item)` of each item, in order; see `map_in_threads`."""
        ...


def in_threads(num_threads: int) -> Execute:
    """`map_in_threads` with so many threads."""
    return partial(map_in_threads, num_threads=num_threads)


def map_in_threads(
    items: Generator[Item, None, None],
    work: Callable[[Item], Result],
    size_of: Callable[[Item], int],
    num_threads: int,
) -> Generator[Result, None, None]:
    """Yield `work(item)` of each item, in order, while later items are made and worked on.

    An exception of either reaches the caller in its turn, after the results before it. Whoever may stop early closes the generator: see
    `contextlib.closing`. A thread that waits for a pipe is then left behind, which does not keep the process alive.

    Args:
        items: Run and closed in a thread of its own.
        work: Called in several threads at once.
        size_of: An item's size in bytes.
        num_threads: For work; with 1, all happens in the caller's thread.
    """
    if num_threads == 1:
        with closing(items):
            for item in items:
                yield work(item)
        return
    stages = _Stages(items, work, size_of, num_threads)
    try:
        yield from stages.results()
    finally:
        stages.stop()


class _Stages(Generic[Item, Result]):
    def __init__(
        self,
        items: Generator[Item, None, None],
        work: Callable[[Item], Result],
        size_of: Callable[[Item], int],
        num_threads: int,
    ) -> None:
        self._items = items
        self._work = work
        self._size_of = size_of
        self._max_items = num_threads + 2
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="charmill-work")
        self._results: SimpleQueue[tuple[Future[Result], int] | None] = SimpleQueue()
        self._changed = threading.Condition()
        self._num_items = self._num_bytes = 0  # Under way.
        self._stopped = False
        self._maker = threading.Thread(target=self._make, name="charmill-read", daemon=True)

    def results(self) -> Generator[Result, None, None]:
        self._maker.start()
        while (under_way := self._results.get()) is not None:
            future, size = under_way
            yield future.result()
            del future, under_way
            with self._changed:
                self._num_items -= 1
                self._num_bytes -= size
                self._changed.notify()

    def _make(self) -> None:
        failed: Future[Result] = Future()
        try:
            with closing(self._items):
                for item in self._items:
                    size = self._size_of(item)
                    with self._changed:
                        self._num_items += 1
                        self._num_bytes += size
                        if self._stopped:
                            return
                        self._results.put((self._pool.submit(self._work, item), size))
                        del item
                        self._changed.wait_for(self._has_room)
        except BaseException as error:  # noqa: BLE001 it is the caller's, in its turn
            failed.set_exception(error)
            self._results.put((failed, 0))
        finally:
            self._results.put(None)

    def _has_room(self) -> bool:
        return self._stopped or (self._num_items < self._max_items and self._num_bytes < MAX_BYTES)

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._pool.shutdown(cancel_futures=True)
        self._maker.join(_STOP_SECONDS)
