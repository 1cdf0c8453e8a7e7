"""Contestants timed in turn, so that a slow moment of the machine hits all of them alike."""

import io
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

from pipeline.errors import NO_SPACE, CharmillError, MissingError

Role = Literal["ours", "peer", "ceiling"]
Work = Callable[[], object]


@dataclass(frozen=True)
class Contestant:
    """Something to time.

    Attributes:
        name: What it is.
        role: ``ours`` is measured against ``peer``; a ``ceiling`` does less work than the task needs, and bounds it.
        num_rows: Rows that it works through in a call.
        prepare: Gives the call to time. It must survive pickling, so that a process of its own can make it again: a function of a module
            or a `functools.partial` of one.
        needs: The peers that it cannot do without, as `jobs.bench.setup.PEERS` names them.
    """

    name: str
    role: Role
    num_rows: int
    prepare: Callable[[], Work]
    _: KW_ONLY
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What a call returns that trained something; accuracy is on the held-out rows."""

    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Section:
    """Contestants for one task, ours first.

    Attributes:
        part: Of the benchmark, as in ``encode``.
        title: The task, for a person.
        contestants: Those that can take part.
        left_out: Why each of the others cannot, by name.
    """

    part: str
    title: str
    contestants: list[Contestant]
    left_out: dict[str, str]


@dataclass(kw_only=True)
class _Timed:
    contestant: Contestant
    work: Work
    first_call_seconds: float
    result: object
    seconds: list[float] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        return [self.contestant.num_rows / seconds for seconds in self.seconds]


def measure(
    section: Section, num_runs: int, *, tell: Callable[[str], None], peak: Callable[[Contestant], float | None]
) -> dict[str, Any]:
    """Time a section: every contestant once uncounted, then num_runs rounds of all of them in turn.

    Args:
        section: The contestants.
        num_runs: Rounds.
        tell: Told what is going on.
        peak: Measures a contestant's peak memory in MiB, where that makes sense.

    Returns:
        What the report says of the section.

    Raises:
        CharmillError: One of ours failed. A peer that does is left out and named, and so is any contestant whose library is not installed.
    """
    timed: list[_Timed] = []
    left_out = dict(section.left_out)
    for contestant in section.contestants:
        tell(f"first call: {contestant.name}")
        outcome = _start(contestant)
        if isinstance(outcome, str):
            left_out[contestant.name] = outcome
        else:
            timed.append(outcome)
    for number in range(num_runs):
        tell(f"round {number + 1} of {num_runs}")
        for one in timed:
            one.seconds.append(_call(one.work)[0])
    reference = next((one for one in timed if one.contestant.role == "ours"), None)
    results = []
    for one in timed:
        tell(f"peak memory: {one.contestant.name}")
        results.append(_summary(one, reference) | {"peak_mebibytes": peak(one.contestant)})
    return {"part": section.part, "title": section.title, "results": results, "left_out": left_out}


def _start(contestant: Contestant) -> _Timed | str:
    """The first call, or why there is none."""
    try:
        with quiet():
            work = contestant.prepare()
        seconds, result = _call(work)
    except MissingError as error:
        return str(error)
    except Exception as error:
        is_full = isinstance(error, OSError) and error.errno in NO_SPACE
        if contestant.role == "ours" or is_full or isinstance(error, CharmillError):
            raise
        return f"failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return _Timed(contestant=contestant, work=work, first_call_seconds=seconds, result=result)


def _call(work: Work) -> tuple[float, object]:
    with quiet():
        started = time.perf_counter()
        result = work()
        return time.perf_counter() - started, result


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the jobs' own progress off standard error: a live bar would take time of what is timed."""
    with redirect_stderr(io.StringIO()):
        yield


def _summary(one: _Timed, reference: _Timed | None) -> dict[str, Any]:
    """Medians over the rounds; a ratio is taken within each round, since its two runs had the same machine.

    There is none where nothing of ours could take part, as without torch.
    """
    rates, contestant = one.rates, one.contestant
    ratios = [ours / its for ours, its in zip(reference.rates, rates, strict=True)] if reference else []
    middle = statistics.median(rates)
    return {
        "name": contestant.name,
        "role": contestant.role,
        "num_rows": contestant.num_rows,
        "rows_per_second": middle,
        "lowest": min(rates),
        "highest": max(rates),
        "spread": (max(rates) - min(rates)) / middle,
        "ours_against_it": statistics.median(ratios) if ratios else None,
        "ratios": ratios,
        "seconds": one.seconds,
        "first_call_seconds": one.first_call_seconds,
        "accuracy": one.result.accuracy if isinstance(one.result, Learned) else None,
    }
