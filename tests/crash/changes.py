"""Steps in before each change of files that another process could see. Imports no test: processes that are to be killed import it."""

import itertools
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pipeline.storage import publish

Changes = tuple[tuple[Any, str], ...]
"""Functions that change something: where each is found, and its name."""

CHANGES: Changes = (
    (os, "fsync"),
    (os, "link"),
    (Path, "replace"),
    (Path, "rename"),
    (Path, "unlink"),
    (publish, "exchange"),
    (shutil, "rmtree"),
)

_FOR_GOOD = ExitStack()


@contextmanager
def before_each_change(step_in: Callable[[int, str], object], changes: Changes = CHANGES) -> Iterator[None]:
    """Call a function with the number, from 0, and the kind of each change before it is made."""
    numbers = itertools.count()

    def counted(kind: str, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*args: Any, **kwargs: Any) -> Any:
            step_in(next(numbers), kind)
            return change(*args, **kwargs)

        return changed

    with ExitStack() as stack:
        for where, kind in changes:
            change = getattr(where, kind)
            stack.callback(setattr, where, kind, change)
            setattr(where, kind, counted(kind, change))
        yield


def kill_before(number: int, changes: Changes = CHANGES) -> None:
    """Kill this process before its change of a number, from 0."""

    def step_in(now: int, _kind: str) -> None:
        if now == number:
            os.kill(os.getpid(), signal.SIGKILL)

    _FOR_GOOD.enter_context(before_each_change(step_in, changes))
