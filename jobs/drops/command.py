"""The flags of ``charmill drops``, the run that they ask for, and the table that tells of it."""

import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from jobs.cli.command import run_command
from jobs.cli.compiling import says_what_compiles
from jobs.cli.flags import CommonConfig, RunFolder
from jobs.cli.help import RARE, RUNNING
from jobs.cli.reading_flags import ReadingConfig
from jobs.cli.scoring_flags import ScoringConfig
from jobs.drops import status
from jobs.drops.config import DropsConfig
from pipeline.errors import CharmillError, InputError, UsageError

if TYPE_CHECKING:
    from jobs.drops.failures import Failure
    from jobs.drops.inbox_scorer import InboxScorer
    from jobs.drops.ledger.schema import StateTotals
    from model.architectures.trained import Model


@Parameter(name="*")
@RUNNING
@dataclass(frozen=True, kw_only=True)
class DropsJobConfig:
    """Score every new CSV in a folder into Parquet, exactly once. drops status shows what became of them.

    Examples:
        drops --inbox data/inbox --outbox data/outbox --run data/ag-run --text title
        drops status --outbox data/outbox
    """

    watching: DropsConfig
    run: RunFolder
    once: bool = False
    "Score what is there and end, as also without --watch."
    watch: bool = False
    "Go on until SIGTERM, and take up a new model in --run when it comes."
    allow_failed: bool = False
    "End with 0 although drops stand failed, which is 65 otherwise."
    metrics: Annotated[Path | None, RARE, Parameter(metavar="FILE")] = None
    "A file to write Prometheus' text format to."
    reading: ReadingConfig = field(default_factory=ReadingConfig)
    scoring: ScoringConfig = field(default_factory=ScoringConfig)
    common: CommonConfig = field(default_factory=CommonConfig)

    def __post_init__(self) -> None:
        if self.once and self.watch:
            raise UsageError("--once and --watch: give one of them")


class _Stopped(threading.Event):
    """Set by SIGTERM, which also interrupts whatever is going on."""

    def __init__(self) -> None:
        super().__init__()
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.set()
        raise KeyboardInterrupt


@says_what_compiles
def run(config: DropsJobConfig) -> dict[str, Any]:
    """Score what is in the inbox, and with --watch what comes into it.

    Raises:
        CharmillError: Nothing can be scored, or (with a report of what was) some drops failed, or stand failed.
    """
    from jobs.cli.console import make_log, metered
    from jobs.drops import failures
    from jobs.drops.inbox_scorer import InboxScorer
    from jobs.drops.loop import Loop
    from jobs.drops.prometheus import MetricsFile
    from model.runs.model_file import read_model
    from model.scoring.scorer import Scorer

    started = time.monotonic()
    stopped = _Stopped() if config.watch else None
    num_threads = config.common.num_threads
    model = read_model(config.run)
    # A flag that makes no sense is found out before anything is written.
    scoring, formats = config.scoring.options(config.reading), config.reading.formats()
    metrics = MetricsFile(config.metrics, overwrite=config.common.overwrite) if config.metrics is not None else None

    def make_scorer(model: "Model") -> Scorer:
        predictor = config.scoring.load(config.run, model, num_threads)
        return Scorer(model, predictor, scoring, formats, num_threads=num_threads)

    options = config.scoring.fingerprint(config.reading)
    meters, note = partial(metered, config.common.log), make_log(config.common.log).info
    with InboxScorer(
        config.watching, model, options, make_scorer, meters, note, overwrite=config.common.overwrite
    ) as scorer:
        loop = Loop(scorer, lambda: read_model(config.run), note, metrics=metrics)
        try:
            if stopped is None:
                loop.run_once()
            else:
                loop.run_until(stopped)
        finally:
            totals, failed = scorer.totals(), scorer.failures()
            loop.write_metrics()
    report = _report(scorer, totals, failed) | {"seconds": round(time.monotonic() - started, 3)}
    if config.watch:
        return report
    if not scorer.report.scored + scorer.report.failed:
        note("nothing new", drops=sum(_states(totals).values()), **_states(totals))
    failure = _failure(scorer.report.errors, failed, config.watching.outbox, allow_failed=config.allow_failed)
    if failure is not None:
        failure.report = report
        raise failure
    if failed:
        note(failures.describe(failed, config.watching.outbox))
    return report


def _report(scorer: "InboxScorer", totals: "Mapping[str, StateTotals]", failed: "Sequence[Failure]") -> dict[str, Any]:
    done = scorer.report
    return {
        "rows_in": done.rows_in,
        "rows_out": done.rows_scored,
        "rows_quarantined": done.rows_quarantined,
        "rows_reused": done.rows_reused,
        "scored": done.scored,
        "failed": done.failed,
        "drops": _states(totals) | {"unsettled": scorer.num_incomplete},
        "failed_drops": [{"number": each.drop.id, "name": each.name, "error": each.drop.error} for each in failed],
        "passed_over": scorer.passed_over(),
        "model": scorer.model.fingerprint,
        "outputs": done.outputs,
    }


def _states(totals: "Mapping[str, StateTotals]") -> dict[str, int]:
    return {state: count.drops for state, count in totals.items() if count.drops}


def _failure(
    errors: Sequence[CharmillError], failed: "Sequence[Failure]", outbox: Path, *, allow_failed: bool
) -> CharmillError | None:
    """The error to end with: a temporary one before a defect, so that a scheduler tries again, and both before drops that stand failed."""
    from jobs.drops import failures

    troubles = [error for error in errors if not isinstance(error, InputError)]
    if troubles:
        first = next((error for error in troubles if error.retryable), troubles[0])
        more = f"; {len(failed):,} drops stand failed, {failures.where_listed(outbox)}" if len(failed) > 1 else ""
        failure = type(first)(f"{first}{more}", path=first.path)
        failure.__cause__ = first.__cause__
        return failure
    if not failed or allow_failed:
        return None
    return InputError(f"{failures.describe(failed, outbox)}; --allow-failed ends with 0")


def render(report: dict[str, Any]) -> str:
    """The report as text."""
    from jobs.cli.console import one_line, table
    from jobs.drops.inbox import describe_passed_over

    states = {state: count for state, count in report["drops"].items() if state != "unsettled"}
    return table(
        {
            "drops scored now": report["scored"],
            "drops failed now": report["failed"],
            "rows in": report["rows_in"],
            "rows scored": report["rows_out"],
            "rows quarantined": report["rows_quarantined"],
            **({"rows reused": report["rows_reused"]} if report["rows_reused"] else {}),
            "drops in all": ", ".join(f"{state} {count:,}" for state, count in sorted(states.items())) or "none",
            **({"passed over": one_line(describe_passed_over(report["passed_over"]))} if report["passed_over"] else {}),
            "model": report["model"],
            "seconds": report["seconds"],
            "files": list(map(one_line, report["outputs"])),
        }
    )


def main() -> None:
    """Run the command, or ``status``."""
    if sys.argv[1:2] == ["status"]:
        run_command("drops status", status.StatusConfig, status.run, status.render, sys.argv[2:])
    else:
        run_command("drops", DropsJobConfig, run, render, reads=True)
