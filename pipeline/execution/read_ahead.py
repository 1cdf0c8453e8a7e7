"""Reading ahead: a thread makes the next item while this one is used."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def read_ahead(items: Iterator[T]) -> Generator[T]:
    """Yield the items of an iterator, each made while the one before it is in use.

    The thread makes one item at a time and never waits for the consumer, so nothing hangs when the consumer stops early: closing the
    iterator waits for the item in the making, and so does the interpreter's exit. What the iterator raises is raised here, in its
    place. It pays where making an item releases the GIL.

    Args:
        items: Used by the thread alone.
    """
    end = object()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="charmill-read-ahead") as thread:
        ahead = thread.submit(next, items, end)
        while (item := ahead.result()) is not end:
            ahead = thread.submit(next, items, end)
            yield item  # type: ignore[misc]  # whatever is not the end is a T
