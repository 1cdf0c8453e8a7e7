"""Knows when kernels are being compiled: Numba does it once after an installation, and meanwhile nothing else seems to happen."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from jobs.cli.parse import Config

C = TypeVar("C", bound="Config")
R = TypeVar("R")


def says_what_compiles(run: Callable[[C], R]) -> Callable[[C], R]:
    """Let a job that needs kernels say so when the first one is compiled, for that takes seconds."""

    @wraps(run)
    def wrapped(config: C) -> R:
        from jobs.cli.console import make_log

        def say(number: int) -> None:
            if number == 1:
                kernels = "of this job, once after an installation, some seconds; charmill warm-up does it for all jobs"
                make_log(config.common.log).info("compiling", kernels=kernels)

        with on_compile(say):
            return run(config)

    return wrapped


@contextmanager
def on_compile(tell: Callable[[int], None]) -> Iterator[None]:
    """Call back before a kernel is compiled, not where the cache has it, with how many that makes."""
    from numba.core import event

    class Listener(event.Listener):
        number = 0

        def on_start(self, _event: Any) -> None:
            self.number += 1
            tell(self.number)

        def on_end(self, _event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Listener()):
        yield
