"""Work timed in turn, so that a slow moment of the machine hits all of it alike."""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Seconds:
    """What a piece of work took: by the clock, and of all cores together. Only the latter are our own where others share the machine."""

    wall: float
    cores: float


def seconds_in_turn(*works: Callable[[], object], runs: int) -> list[list[Seconds]]:
    """Seconds of each, run in turn, after a run that is not counted."""
    seconds: list[list[Seconds]] = [[] for _ in works]
    for run in range(runs + 1):
        for index, work in enumerate(works):
            wall, cores = time.perf_counter(), time.process_time()
            work()
            if run:
                seconds[index].append(Seconds(time.perf_counter() - wall, time.process_time() - cores))
    return seconds


def describe(ratios: Iterable[float], digits: int = 4) -> str:
    """Median and spread."""
    ratios = list(ratios)
    return f"{statistics.median(ratios):.{digits}f} ({min(ratios):.{digits}f} to {max(ratios):.{digits}f})"
