"""``python -m jobs.drops``: watch a folder and score every new CSV exactly once. ``python -m jobs.drops status``: what became of them."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from jobs.cli.command import run_command
from jobs.cli.flags import CommonConfig
from jobs.cli.reading_flags import ReadingConfig
from jobs.cli.scoring_flags import ScoringConfig
from pipeline.errors import CharmillError, InputError, TemporaryError, UsageError

if TYPE_CHECKING:
    from jobs.drops.watch import Drops, DropsReport
    from model.architectures.trained import Model
    from model.scoring.part_writer import ScoreReport
    from model.scoring.scorer import Scorer

_TICK_MILLISECONDS = 1000


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DropsJobConfig:
    """Score every new CSV in a folder into Parquet, exactly once. See also python -m jobs.drops status --help."""

    inbox: Path
    "The folder where CSVs land: NAME.csv or .tsv, plain, .gz or .zst. Links and subfolders are passed over."
    outbox: Path
    "The folder for scores, quarantines and the ledger; on a local disk."
    run: Path
    "The folder that python -m jobs.train wrote."
    once: Annotated[bool, Parameter(negative=())] = False
    "Score what is there and end; this is what happens without --watch, too."
    watch: Annotated[bool, Parameter(negative=())] = False
    "Go on until SIGTERM. A new model in --run is taken up for what comes after it."
    settle: float = 5.0
    "Seconds for which a file must not have changed before it counts as complete."
    ready_suffix: str = ""
    "With .done: NAME.csv counts as complete as soon as there is a file NAME.csv.done, and not before."
    rescore: bool = False
    "Score once more what was scored with another model or other flags; see also --retry-failed."
    retry_failed: bool = False
    "Try once more what failed because of what is in it, as after a flag was mended; other failures are tried again in any case."
    max_attempts: int = 5
    "Attempts at a drop that meets temporary trouble, such as a full disk, before it is left to the next run."
    retry_seconds: float = 1.0
    "Pause before the second attempt; it doubles with each one, up to five minutes."
    lease: float = 30.0
    "Seconds without a sign of life after which another process takes over the drop that a process on another host is scoring."
    metrics: Path | None = None
    "A file to write Prometheus' text format to."
    scoring: ScoringConfig = field(default_factory=ScoringConfig)
    reading: ReadingConfig = field(default_factory=ReadingConfig)
    common: CommonConfig = field(default_factory=CommonConfig)

    def __post_init__(self) -> None:
        if self.once and self.watch:
            raise UsageError("--once and --watch: give one of them")


class _Console:
    """Shows what happens on standard error."""

    def __init__(self, form: str) -> None:
        from jobs.cli.console import make_log

        self._form = form
        self._log = make_log(form)

    @contextmanager
    def scoring(self, name: str, num_bytes: int) -> Iterator[Callable[["ScoreReport", int], None]]:
        from jobs.cli.console import metered
        from pipeline.execution.meter import rates

        started = time.monotonic()
        with metered(self._form, name, num_bytes) as meter:
            yield lambda report, num_read: meter.update(num_read, lambda: rates(started, report.rows_in, num_read))

    def note(self, event: str, **figures: Any) -> None:
        self._log.info(event, **figures)


def run(config: DropsJobConfig) -> dict[str, Any]:
    """Score what is in the inbox, and with --watch what comes into it.

    Raises:
        CharmillError: Nothing can be scored, or (with a report of what was) some drops failed.
    """
    from jobs.drops.prometheus import require_metrics_file
    from jobs.drops.watch import Drops, DropsConfig
    from model.runs.model_file import read_model

    started = time.monotonic()
    stopped = _Stopped() if config.watch else None
    settings = DropsConfig(
        inbox=config.inbox,
        outbox=config.outbox,
        settle_seconds=config.settle,
        ready_suffix=config.ready_suffix,
        rescore=config.rescore,
        retry_failed=config.retry_failed,
        max_attempts=config.max_attempts,
        retry_seconds=config.retry_seconds,
        lease_seconds=config.lease,
        overwrite=config.common.overwrite,
    )
    model = read_model(config.run)
    (
        config.scoring.options(config.reading),
        config.reading.formats(),
    )  # A flag that makes no sense is found out before anything is written.
    if config.metrics is not None:
        require_metrics_file(config.metrics, overwrite=config.common.overwrite)
    options = config.scoring.fingerprint(config.reading)
    console = _Console(config.common.log)
    drops = Drops(settings, model, options, lambda model: _load(config, model), console)
    try:
        try:
            if stopped is None:
                _once(drops, config, console)
            else:
                _watch(drops, config, console, stopped)
        finally:
            states = drops.states()
            _write_metrics(config, console)
    finally:
        drops.close()
    report = _summary(drops, states) | {"seconds": round(time.monotonic() - started, 3)}
    if drops.report.errors and not config.watch:
        raise _failure(config, drops.report, report)
    return report


def _load(config: DropsJobConfig, model: "Model") -> "Scorer":
    from model.scoring.scorer import Scorer

    num_threads = config.common.num_threads
    predictor = config.scoring.load(config.run, model, num_threads)
    options, formats = config.scoring.options(config.reading), config.reading.formats()
    return Scorer(model, predictor, options, formats, num_threads=num_threads)


def _once(drops: "Drops", config: DropsJobConfig, console: _Console) -> None:
    """Score what is there. Waits for what has not settled yet, and for second attempts, but not for files that keep growing."""
    while True:
        drops.run_pass()
        _write_metrics(config, console)
        due = drops.seconds_until_due(settling_once=True)
        if due is None:
            return
        time.sleep(due)


class _Stopped(threading.Event):
    """Set by SIGTERM, which also interrupts whatever is going on."""

    def __init__(self) -> None:
        super().__init__()
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.set()
        raise KeyboardInterrupt


def _watch(drops: "Drops", config: DropsJobConfig, console: _Console, stopped: _Stopped) -> None:
    """Score what comes until SIGTERM, which ends it well, or Ctrl-C. Trouble is noted, and tried again at the next look."""
    from watchfiles import watch

    try:
        look_at = 0.0
        ticks = watch(
            config.inbox,
            recursive=False,
            watch_filter=None,
            stop_event=stopped,
            rust_timeout=_TICK_MILLISECONDS,
            yield_on_timeout=True,
        )
        while True:
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + _look(drops, config, console)
            if next(ticks):
                look_at = 0.0
    except (KeyboardInterrupt, StopIteration):
        if not stopped.is_set():
            raise


def _look(drops: "Drops", config: DropsJobConfig, console: _Console) -> float:
    """Take up a new model, score what is there, and return after how many seconds to look again."""
    from jobs.drops.watch import LOOK_SECONDS
    from model.runs.model_file import read_model

    due: float | None = None
    try:
        drops.use_model(read_model(config.run))
        drops.run_pass()
        due = drops.seconds_until_due(settling_once=False)
    except (
        CharmillError
    ) as error:  # The disk is full, the model is just being replaced, the inbox is gone for a moment.
        console.note(str(error), tried_again_in=f"{LOOK_SECONDS:g} s")
    drops.report.outputs.clear()  # These would grow for ever, and the ledger has them.
    drops.report.errors.clear()
    _write_metrics(config, console)
    return LOOK_SECONDS if due is None else min(LOOK_SECONDS, due)


def _write_metrics(config: DropsJobConfig, console: _Console) -> None:
    from jobs.drops.ledger import Ledger
    from jobs.drops.prometheus import metrics_text
    from pipeline.storage.durable import replace_file

    if config.metrics is None:
        return
    try:
        ledger = Ledger(config.outbox, read_only=True)
        text = metrics_text(ledger.totals(), time.time())
        ledger.close()
        replace_file(config.metrics, lambda file: file.write(text.encode()), is_shared=True)
    except CharmillError as error:  # Scores are worth more than figures about them.
        console.note(f"no metrics were written: {error}")


def _summary(drops: "Drops", states: dict[str, int]) -> dict[str, Any]:
    done = drops.report
    return {
        "rows_in": done.rows_in,
        "rows_out": done.rows_scored,
        "rows_quarantined": done.rows_quarantined,
        "rows_reused": done.rows_reused,
        "scored": done.scored,
        "failed": done.failed,
        "drops": states,
        "model": drops.model.fingerprint,
        "outputs": done.outputs,
    }


def _failure(config: DropsJobConfig, done: "DropsReport", report: dict[str, Any]) -> CharmillError:
    """One error for all drops that failed: temporary if any was, so that a scheduler tries again."""
    temporary = [error for error in done.errors if error.retryable]
    first = (temporary or done.errors)[0]
    message = str(first)
    if len(done.errors) > 1:
        message += f"; {len(done.errors)} drops failed, see python -m jobs.drops status --outbox {config.outbox}"
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


if __name__ == "__main__":
    if sys.argv[1:2] == ["status"]:
        from jobs.drops import status as drop_status

        run_command("drops status", drop_status.StatusConfig, drop_status.run, drop_status.render, sys.argv[2:])
    else:
        run_command("drops", DropsJobConfig, run, render, reads=True)
