"""The flags of ``python -m jobs.drops``, the run that they ask for, and the table that tells of it."""

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
from jobs.cli.help import INPUT, OUTPUT, RARE, RUNNING
from jobs.cli.reading_flags import ReadingConfig
from jobs.cli.scoring_flags import ScoringConfig
from jobs.drops import status
from pipeline.errors import CharmillError, InputError, TemporaryError, UsageError

if TYPE_CHECKING:
    from jobs.drops.config import DropsConfig
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

    inbox: Annotated[Path, INPUT, Parameter(metavar="DIR")]
    "The folder where CSVs land: NAME.csv or .tsv, plain, .gz or .zst. Links and subfolders are passed over."
    outbox: Annotated[Path, OUTPUT, Parameter(metavar="DIR")]
    "The folder for scores, quarantines and the ledger; on a local disk."
    run: RunFolder
    once: bool = False
    "Score what is there and end, as also without --watch."
    watch: bool = False
    "Go on until SIGTERM, and take up a new model in --run when it comes."
    settle: Annotated[float, Parameter(metavar="SECONDS")] = 5.0
    "How long a file must be unchanged before it counts as complete."
    ready_suffix: Annotated[str, Parameter(metavar="SUFFIX")] = ""
    "With .done: NAME.csv counts as complete as soon as there is a file NAME.csv.done, and not before."
    rescore: bool = False
    "Score again what was scored with another model or other flags."
    retry_failed: bool = False
    "Try again what failed because of what is in it, as after a flag was mended; other failures are tried again in any case."
    max_attempts: Annotated[int, RARE] = 5
    "Attempts at a drop that meets temporary trouble, such as a full disk, before it is left to the next run."
    retry_seconds: Annotated[float, RARE] = 1.0
    "Pause before the second attempt; it doubles with each one, up to five minutes."
    lease: Annotated[float, RARE, Parameter(metavar="SECONDS")] = 30.0
    "Seconds without a sign of life after which another process takes over the drop that a process on another host is scoring."
    metrics: Annotated[Path | None, RARE, Parameter(metavar="FILE")] = None
    "A file to write Prometheus' text format to."
    reading: ReadingConfig = field(default_factory=ReadingConfig)
    scoring: ScoringConfig = field(default_factory=ScoringConfig)
    common: CommonConfig = field(default_factory=CommonConfig)

    def __post_init__(self) -> None:
        if self.once and self.watch:
            raise UsageError("--once and --watch: give one of them")

    def settings(self) -> "DropsConfig":
        """What to watch and how.

        Raises:
            UsageError: A flag makes no sense.
        """
        from jobs.drops.config import DropsConfig

        return DropsConfig(
            inbox=self.inbox,
            outbox=self.outbox,
            settle_seconds=self.settle,
            ready_suffix=self.ready_suffix,
            rescore=self.rescore,
            retry_failed=self.retry_failed,
            max_attempts=self.max_attempts,
            retry_seconds=self.retry_seconds,
            lease_seconds=self.lease,
            overwrite=self.common.overwrite,
        )


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
        CharmillError: Nothing can be scored, or (with a report of what was) some drops failed.
    """
    from jobs.cli.console import make_log, metered
    from jobs.drops.inbox_scorer import InboxScorer
    from jobs.drops.loop import Loop
    from jobs.drops.prometheus import MetricsFile
    from model.runs.model_file import read_model
    from model.scoring.scorer import Scorer

    started = time.monotonic()
    stopped = _Stopped() if config.watch else None
    num_threads = config.common.num_threads
    settings = config.settings()
    model = read_model(config.run)
    # A flag that makes no sense is found out before anything is written.
    scoring, formats = config.scoring.options(config.reading), config.reading.formats()
    metrics = MetricsFile(config.metrics, overwrite=config.common.overwrite) if config.metrics is not None else None

    def make_scorer(model: "Model") -> Scorer:
        predictor = config.scoring.load(config.run, model, num_threads)
        return Scorer(model, predictor, scoring, formats, num_threads=num_threads)

    options = config.scoring.fingerprint(config.reading)
    meters, note = partial(metered, config.common.log), make_log(config.common.log).info
    with InboxScorer(settings, model, options, make_scorer, meters, note) as scorer:
        loop = Loop(scorer, lambda: read_model(config.run), note, metrics=metrics)
        try:
            if stopped is None:
                loop.run_once()
            else:
                loop.run_until(stopped)
        finally:
            totals = scorer.totals()
            loop.write_metrics()
    report = _report(scorer, totals) | {"seconds": round(time.monotonic() - started, 3)}
    if scorer.report.errors and not config.watch:
        raise _failure(config, scorer.report.errors, report)
    return report


def _report(scorer: "InboxScorer", totals: "Mapping[str, StateTotals]") -> dict[str, Any]:
    done, states = scorer.report, {state: count.drops for state, count in totals.items() if count.drops}
    return {
        "rows_in": done.rows_in,
        "rows_out": done.rows_scored,
        "rows_quarantined": done.rows_quarantined,
        "rows_reused": done.rows_reused,
        "scored": done.scored,
        "failed": done.failed,
        "drops": states | {"unsettled": scorer.num_incomplete},
        "model": scorer.model.fingerprint,
        "outputs": done.outputs,
    }


def _failure(config: DropsJobConfig, errors: Sequence[CharmillError], report: dict[str, Any]) -> CharmillError:
    """One error for all drops that failed: temporary if any was, so that a scheduler tries again."""
    temporary = [error for error in errors if error.retryable]
    first = (temporary or errors)[0]
    message = str(first)
    if len(errors) > 1:
        message += f"; {len(errors)} drops failed, see python -m jobs.drops status --outbox {config.outbox}"
    kind = TemporaryError if temporary else InputError if isinstance(first, InputError) else CharmillError
    failure = kind(message, path=first.path)
    failure.report = report
    return failure


def render(report: dict[str, Any]) -> str:
    """The report as text."""
    from jobs.cli.console import table

    states = report["drops"]
    return table(
        {
            "drops scored now": report["scored"],
            "drops failed now": report["failed"],
            "rows in": report["rows_in"],
            "rows scored": report["rows_out"],
            "rows quarantined": report["rows_quarantined"],
            **({"rows reused": report["rows_reused"]} if report["rows_reused"] else {}),
            "drops in all": ", ".join(f"{state} {count:,}" for state, count in sorted(states.items()) if count)
            or "none",
            "model": report["model"],
            "seconds": report["seconds"],
            "files": report["outputs"],
        }
    )


def main() -> None:
    """Run the command, or ``status``."""
    if sys.argv[1:2] == ["status"]:
        run_command("drops status", status.StatusConfig, status.run, status.render, sys.argv[2:])
    else:
        run_command("drops", DropsJobConfig, run, render, reads=True)
