"""Scores the drops of an inbox, each exactly once: what to claim next, and what becomes of it."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from jobs.drops.attempts import Attempts
from jobs.drops.config import DropsConfig
from jobs.drops.drop_scorer import ChangedError, DropScorer
from jobs.drops.failures import Failure
from jobs.drops.inbox import InboxFile, describe_passed_over, list_inbox
from jobs.drops.intake import Intake
from jobs.drops.ledger.database import Database
from jobs.drops.ledger.leases import Lease, LeaseLostError, Leases
from jobs.drops.ledger.ledger import Ledger
from jobs.drops.ledger.schema import FAILED, SCORING, WAITING, Drop, StateTotals
from jobs.drops.outbox import Outbox
from jobs.drops.worker import Worker
from model.architectures.trained import Model
from model.scoring.part_writer import ScoreReport
from model.scoring.scorer import Scorer
from pipeline.errors import CharmillError, InputError, TemporaryError, UsageError, from_os_error
from pipeline.execution.meter import Meters


class Note(Protocol):
    """Told what happens, such as the log of a console."""

    def __call__(self, event: str, **figures: Any) -> None:
        """Something happened, once."""


@dataclass
class DropsReport:
    """What this process has done."""

    scored: int = 0
    failed: int = 0
    rows_in: int = 0
    rows_scored: int = 0
    rows_quarantined: int = 0
    rows_reused: int = 0
    outputs: list[str] = field(default_factory=list)
    errors: list[CharmillError] = field(default_factory=list)

    def count(self, report: ScoreReport) -> None:
        """Count a drop that was scored."""
        self.scored += 1
        self.rows_in += report.rows_in
        self.rows_scored += report.rows_scored
        self.rows_quarantined += report.rows_quarantined
        self.rows_reused += report.rows_reused
        self.outputs += report.outputs


class InboxScorer:
    """Scores the drops of an inbox; a context that lets go of the outbox at its end.

    Args:
        config: What to watch.
        model: Its fingerprint is enough until there is something to score.
        options: Fingerprint of the flags that change scores.
        make_scorer: Loads the weights.
        meters: Opens a meter for each drop.
        note: Told what happens.
        overwrite: Replace a file in the outbox that is not the drop's.

    Raises:
        UsageError: There is no inbox, or the outbox cannot be written.
        CharmillError: The ledger cannot be used.

    Attributes:
        inbox: The folder.
        model: The model in use.
        report: What was done so far.
    """

    def __init__(
        self,
        config: DropsConfig,
        model: Model,
        options: str,
        make_scorer: Callable[[Model], Scorer],
        meters: Meters,
        note: Note,
        *,
        overwrite: bool = False,
    ) -> None:
        self.inbox = config.inbox
        self.model = model
        self.report = DropsReport()
        self._options = options
        self._make_scorer = make_scorer
        self._scorer: Scorer | None = None
        self._note = note
        self._only = config.only
        self._settle_seconds = config.settle_seconds
        self._said: dict[str, str] = {}  # What of the inbox was said to be passed over, and why.
        self._attempts = Attempts(config.max_attempts, config.retry_seconds)  # By the drop's id or the file's key.
        list_inbox(config.inbox)  # Nothing is made for an inbox that is not there.
        outbox = Outbox(config.outbox, overwrite=overwrite)
        try:
            self._worker = Worker(outbox.work)
        except OSError as error:
            raise from_os_error(error, "write", config.outbox) from error
        self._database = Database(config.outbox)
        self._ledger = Ledger(self._database)
        self._is_revival_due, self._all_failed = True, config.retry_failed
        self._worker.remove_dead()
        outbox.remove_rubbish(self._resumable_drops)
        self._leases = Leases(self._database, self._worker.name, self._worker.is_dead, config.lease_seconds)
        self._intake = Intake(config, options, self._ledger, self._take_unreadable, self._note_duplicate)
        self._drop_scorer = DropScorer(outbox, f"{self._worker.id}.", meters)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        self._worker.close()

    def use_model(self, model: Model) -> None:
        """Score with another model from now on, if it is another."""
        if model.fingerprint != self.model.fingerprint:
            self.model, self._scorer = model, None
            self._note("the model has changed", model=model.fingerprint)
            self._is_revival_due, self._all_failed = True, False

    def totals(self) -> dict[str, StateTotals]:
        """All drops of the outbox, counted by state."""
        return self._ledger.totals()

    @property
    def num_incomplete(self) -> int:
        """Files of the inbox that are not complete yet."""
        return self._intake.num_incomplete

    def failures(self) -> list[Failure]:
        """The drops that stand failed, those of earlier processes too; with `only`, those that it concerns."""
        failed = filter(self._intake.is_concerned, self._ledger.failed_drops())
        return [Failure(drop, self._intake.name_now(drop)) for drop in failed]

    def passed_over(self) -> dict[str, str]:
        """What the last look passed over: names, and why."""
        return {each.name: each.why for each in self._intake.passed_over}

    def note_passed_over(self, *, is_final: bool) -> None:
        """Say what is passed over, if that was not said before.

        Args:
            is_final: Nobody looks again; otherwise what has just changed may still be renamed, or become a drop.
        """
        if is_final and self._only and self._intake.is_empty:
            self._note(f"no file in the inbox is called as --only {self._only} says")
        newest = time.time() - (0 if is_final else self._settle_seconds)
        found, said = self._intake.passed_over, self._said
        new = {each.name: each.why for each in found if said.get(each.name) != each.why and each.changed_at <= newest}
        self._said = {each.name: said[each.name] for each in found if each.name in said} | new
        if new:
            self._note(f"passed over {describe_passed_over(new)}")

    def run_pass(self) -> None:
        """Take note of what is new, and score what waits.

        Raises:
            CharmillError: The inbox cannot be read, the outbox cannot be written, or the model cannot be loaded.
        """
        unfinished = self._ledger.unfinished_drops()  # Before the look: what comes later is not lost.
        self._intake.look(self.model.fingerprint)
        unfinished = list(filter(self._intake.is_concerned, unfinished))
        for drop in unfinished:
            if drop.state != SCORING and self._intake.has_lost(drop):
                self._ledger.mark_gone(drop)
                if drop.state == FAILED:
                    self._note(f"{drop.called}, counts as failed no longer: its file was changed or taken away")
        if self._is_revival_due:
            self._revive(unfinished)
        open_drops = self._ledger.open_drops()
        files, attempts = self._intake.files, {drop.sha256: drop.attempts for drop in open_drops}
        # What was begun least often comes first, so that a drop that kills its process does not keep the others from being scored.
        for sha256 in sorted((sha256 for sha256 in files if sha256 in attempts), key=attempts.__getitem__):
            lease = self._leases.claim(sha256, model=self.model.fingerprint, options=self._options)
            if lease is not None:
                self._score(files[sha256], lease)

    def seconds_until_due(self, *, skip_growing: bool) -> float | None:
        """How long until there may be something to do; None where only a new file would be.

        Args:
            skip_growing: Do not wait for files that have changed while we waited for them.
        """
        moments = self._intake.seconds_left(skip_growing=skip_growing)
        moments += [
            drop.retry_at - time.time()
            for drop in self._ledger.open_drops()
            if drop.state == WAITING and self._intake.has(drop)
        ]
        return max(0.0, min(moments)) if moments else None

    def _score(self, file: InboxFile, lease: Lease) -> None:
        """Score a claimed drop and enter in the ledger what became of it."""
        called = lease.drop.called
        try:
            if self._scorer is None:
                self._scorer = self._make_scorer(self.model)
        except BaseException:
            _let_go(lease)
            raise
        try:
            report = self._drop_scorer.score(file, lease, self._scorer)
        except ChangedError:
            _let_go(lease)
            self._ledger.forget_files([file.key])
            self._note(f"{called}, was changed or taken away while it was being scored; nothing of it was published")
        except LeaseLostError as error:
            self._note(str(error))
        except CharmillError as error:
            self._take_error(file, lease, error)
        except MemoryError:
            message = f"{file.path}: out of memory; give it more, or fewer --threads"
            self._take_error(file, lease, TemporaryError(message, path=file.path))
        except Exception as error:  # noqa: BLE001  # a defect of ours must not keep the other drops from being scored
            message = (
                f"{file.path}: internal error: {type(error).__name__}: {' '.join(str(error).split())}; please report it"
            )
            failure = CharmillError(message, path=file.path)
            failure.__cause__ = error
            self._take_error(file, lease, failure)
        except BaseException:
            _let_go(lease)
            raise
        else:
            self._take_report(called, report)

    def _take_report(self, called: str, report: ScoreReport) -> None:
        """Count a drop that was scored, and say so."""
        self.report.count(report)
        more = ({"reused": report.rows_reused} if report.rows_reused else {}) | report.dialect.surprises()
        self._note(f"{called}, scored", rows=report.rows_scored, quarantined=report.rows_quarantined, **more)
        if report.hint:
            self._note(f"{called}: {report.hint}")

    def _take_error(self, file: InboxFile, lease: Lease, error: CharmillError) -> None:
        """Let a drop wait for its next attempt, or be failed."""
        if isinstance(error, UsageError) and str(error.path) != str(file.path):
            _let_go(lease)
            raise error  # The outbox or the command is wrong, so every drop would meet it.
        is_temporary = error.retryable or isinstance(error, UsageError)  # Its rights may not be set yet.
        reason = str(error).removeprefix(f"{file.path}: ")
        values = {"error": reason, "exit_code": TemporaryError.exit_code if is_temporary else error.exit_code}
        retry_at = self._attempts.next_at(lease.drop.id) if is_temporary else None
        if retry_at is not None:
            lease.release({**values, "retry_at": retry_at})
            self._note(f"{lease.drop.called}: {reason}; it is tried again")
            return
        lease.fail(values)
        self._note_failure(lease.drop, reason, error, TemporaryError if is_temporary else type(error))

    def _take_unreadable(self, file: InboxFile, error: TemporaryError) -> float:
        """Enter in the ledger that a file cannot even be read; returns when to try again."""
        retry_at = self._attempts.next_at(file.key)
        reason = str(error).removeprefix(f"{file.path}: ")
        drop = self._ledger.register_unreadable(
            name=file.name,
            num_bytes=file.num_bytes,
            model=self.model.fingerprint,
            options=self._options,
            error=reason,
            retry_at=retry_at or 0.0,
        )
        if retry_at is None:
            self._ledger.give_up(drop.id)
            self._note_failure(drop, reason, error, TemporaryError)
            return float("inf")
        self._note(f"{drop.called}: {reason}; it is tried again")
        return retry_at

    def _note_failure(self, drop: Drop, reason: str, error: CharmillError, kind: type[CharmillError]) -> None:
        failure = kind(f"{drop.called}: {reason}", path=error.path)
        failure.__cause__ = error.__cause__
        self.report.failed += 1
        self.report.errors.append(failure)
        self._note(f"{drop.called}, failed", error=reason)

    def _note_duplicate(self, drop: Drop, first: Drop) -> None:
        self._note(f"{drop.called}, has the bytes of {first.called}, and is not scored again")

    def _resumable_drops(self) -> list[Drop]:
        """Drops whose finished parts are of use."""
        unfinished = self._ledger.unfinished_drops()
        return [drop for drop in unfinished if drop.state != FAILED or drop.exit_code != InputError.exit_code]

    def _revive(self, unfinished: Sequence[Drop]) -> None:
        """Let failed drops wait again where they may come out otherwise now, but not those that a look at their file tries again."""
        self._is_revival_due = False
        drops = [drop for drop in unfinished if drop.sha256]
        model, options = self.model.fingerprint, self._options
        lost = self._intake.lost_scores() if drops else {}
        for drop in drops:
            if drop.sha256 in lost and self._intake.has(drop):
                self._ledger.mark_lost(lost[drop.sha256])
            elif self._ledger.take_back(drop, model=model, options=options):
                self._note(f"{drop.called}, counts as failed no longer: it is scored with this model and these flags")
        if number := self._ledger.revive(drops, model=model, options=options, all_failed=self._all_failed):
            self._note("failed drops are tried again", drops=number)


def _let_go(lease: Lease) -> None:
    """Let a drop wait again; where even that fails, whoever comes next finds its lease run out."""
    with suppress(CharmillError):
        lease.release()
