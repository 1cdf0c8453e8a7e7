"""Drops: takes note of every new CSV in an inbox, and sees that each is scored exactly once. Needs no torch."""

import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jobs.drops.arrivals import Settling
from jobs.drops.inbox import InboxFile, hash_file, is_drop_name, list_inbox
from jobs.drops.ledger import LeaseLostError, Ledger
from jobs.drops.schema import WAITING, Drop
from jobs.drops.work import WORK, ChangedError, DropScorer, Events
from jobs.drops.worker import Owner
from model.architectures.trained import Model
from model.scoring.part_writer import ScoreReport
from model.scoring.scorer import Scorer
from pipeline.errors import CharmillError, TemporaryError, UsageError, from_os_error

MAX_RETRY_SECONDS = 300.0
MAX_SECONDS = 86_400.0
LOOK_SECONDS = 10.0  # A network file system may not tell of changes, so a daemon lists the inbox so often in any case.


@dataclass(frozen=True, kw_only=True)
class DropsConfig:
    """What to watch and how.

    Attributes:
        inbox: The folder where CSVs land.
        outbox: The folder for scores, quarantines and the ledger.
        settle_seconds: A file counts as complete when it has not changed for so long.
        ready_suffix: Where not empty, NAME counts as complete when there is a file NAME + ready_suffix, and not before.
        rescore: Score once more what was scored with another model or other flags.
        retry_failed: Try once more what failed before.
        max_attempts: Temporary trouble with one drop is tried so often.
        retry_seconds: The pause before the second attempt; it doubles each time.
        lease_seconds: A process that gives no sign for so long loses its drop to another.
        overwrite: Replace a file in the outbox that is not the drop's.
    """

    inbox: Path
    outbox: Path
    settle_seconds: float = 5.0
    ready_suffix: str = ""
    rescore: bool = False
    retry_failed: bool = False
    max_attempts: int = 5
    retry_seconds: float = 1.0
    lease_seconds: float = 30.0
    overwrite: bool = False

    def __post_init__(self) -> None:
        for flag, seconds, least in (
            ("--settle", self.settle_seconds, 0.0),
            ("--retry-seconds", self.retry_seconds, 0.0),
            ("--lease", self.lease_seconds, 1.0),
        ):
            if not least <= seconds <= MAX_SECONDS:
                raise UsageError(f"{flag} {seconds:g}: expected {least:g} to {MAX_SECONDS:g} seconds")
        if self.max_attempts < 1:
            raise UsageError(f"--max-attempts {self.max_attempts}: expected 1 or more")
        if "/" in self.ready_suffix or (self.ready_suffix and is_drop_name(f"a.csv{self.ready_suffix}")):
            raise UsageError(f"--ready-suffix {self.ready_suffix!r}: expected an ending such as .done")
        if self.inbox.resolve() == self.outbox.resolve():
            raise UsageError(f"--outbox {self.outbox}: it is the inbox; name another folder", path=self.outbox)


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


class Drops:
    """Scores the drops of an inbox.

    Args:
        config: What to watch.
        model: Its fingerprint is enough until there is something to score.
        options: Fingerprint of the flags that change scores.
        make_scorer: Loads the weights.
        events: Who is told.

    Raises:
        UsageError: The outbox cannot be written.
        CharmillError: The ledger cannot be used.
    """

    def __init__(
        self, config: DropsConfig, model: Model, options: str, make_scorer: Callable[[Model], Scorer], events: Events
    ) -> None:
        self.report = DropsReport()
        self._config = config
        self._model = model
        self._options = options
        self._make_scorer = make_scorer
        self._scorer: Scorer | None = None
        self._events = events
        self._tries: dict[Hashable, int] = {}  # Of drops by id, of files that cannot be read by name.
        self._settling = Settling(config.settle_seconds)
        self._retry_read_at: dict[bytes, float] = {}
        self._files: dict[str, InboxFile] = {}  # By content.
        # Once for each model: two processes with other flags would else score each other's drops for ever.
        self._rescored: set[str] = set()
        self._contents: dict[str, str] = {}  # By name; empty where it is not known yet.
        list_inbox(config.inbox)  # Nothing is made for an inbox that is not there.
        work = config.outbox / WORK
        try:
            if work.is_symlink():
                raise UsageError(
                    f"{work}: it is a link, and drops would be worked on elsewhere; move it away", path=work
                )
            work.mkdir(parents=True, exist_ok=True)
            self._owner = Owner(work)
        except OSError as error:
            raise from_os_error(error, "write", config.outbox) from error
        self._ledger = Ledger(config.outbox, owner=self._owner.name, lease_seconds=config.lease_seconds)
        self._ledger.revive(all_failed=config.retry_failed)
        self._owner.sweep()
        self._drop_scorer = DropScorer(
            config.outbox,
            self._ledger,
            self._owner,
            lease_seconds=config.lease_seconds,
            overwrite=config.overwrite,
        )

    def close(self) -> None:
        """Let go of the outbox."""
        self._ledger.close()
        self._owner.close()

    def use_model(self, model: Model) -> None:
        """Score with another model from now on, if it is another."""
        if model.fingerprint != self._model.fingerprint:
            self._model, self._scorer = model, None
            self._rescored.clear()
            self._events.note("the model has changed", model=model.fingerprint)

    @property
    def model(self) -> Model:
        """The model in use."""
        return self._model

    def states(self) -> dict[str, int]:
        """The number of drops in each state, and of files that are not complete yet as ``unsettled``."""
        totals = self._ledger.totals()
        return {state: count.drops for state, count in totals.items() if count.drops} | {
            "unsettled": self._settling.num_unsettled
        }

    def run_pass(self) -> None:
        """Take note of what is new, and score what waits.

        Raises:
            CharmillError: The inbox cannot be read, the outbox cannot be written, or the model cannot be loaded.
        """
        self._look()
        open_drops = self._ledger.open_drops()
        attempts = {drop.sha256: drop.attempts for drop in open_drops}
        # What was begun least often comes first, so that a drop that kills its process does not keep the others from being scored.
        for sha256 in sorted((sha256 for sha256 in self._files if sha256 in attempts), key=attempts.__getitem__):
            drop = self._ledger.claim(
                sha256, model=self._model.fingerprint, options=self._options, is_dead=self._owner.is_dead
            )
            if drop is not None:
                self._score(self._files[sha256], drop)
        for drop in open_drops:
            content = self._contents.get(drop.name)
            if (
                drop.state == WAITING
                and drop.sha256 not in self._files
                and (content is None or content not in {"", drop.sha256})
            ):
                self._ledger.mark_gone(drop.id)

    def seconds_until_due(self, *, settling_once: bool) -> float | None:
        """How long until there may be something to do; None where only a new file would be.

        Args:
            settling_once: Do not wait for files that have changed while we waited for them.
        """
        moments = self._settling.seconds_left(but_growing=settling_once)
        moments += [
            drop.retry_at - time.time()
            for drop in self._ledger.open_drops()
            if drop.state == WAITING
            and (drop.sha256 in self._files or (not drop.sha256 and drop.name in self._contents))
        ]
        return max(0.0, min(moments)) if moments else None

    def _look(self) -> None:
        """List the inbox, and register what has settled and was not known."""
        files = list_inbox(self._config.inbox, self._config.ready_suffix)
        hashed = self._ledger.hashed_files()
        wanted_again = self._ledger.wanted_again(
            model=self._model.fingerprint, options=self._options, rescore=self._config.rescore
        )
        self._files, self._contents = {}, {}
        self._settling.begin({file.key for file in files})
        for file in files:
            signature, sha256 = hashed.get(file.key, ("", ""))
            if signature != file.signature:
                sha256 = self._register(file) if self._settling.has_settled(file) else ""
            elif sha256 in wanted_again:
                self._enter(file, sha256, is_safe=True)
            self._contents[file.name] = sha256
            if sha256:
                self._files.setdefault(sha256, file)
        keys = {file.key for file in files}
        self._ledger.forget_files([key for key in hashed if key not in keys])

    def _register(self, file: InboxFile) -> str:
        """Hash a file and enter it in the ledger; returns the hash, or nothing where that is not possible now."""
        if self._retry_read_at.get(file.key, 0.0) > time.time():
            return ""
        try:
            hashed = hash_file(file)
        except TemporaryError as error:
            self._note_unreadable(file, error)
            return ""
        if hashed is None:
            return ""
        self._retry_read_at.pop(file.key, None)
        self._enter(file, hashed[0], is_safe=hashed[1])
        return hashed[0]

    def _enter(self, file: InboxFile, sha256: str, *, is_safe: bool) -> None:
        self._ledger.register(
            name=file.name,
            num_bytes=file.num_bytes,
            sha256=sha256,
            model=self._model.fingerprint,
            options=self._options,
            rescore=self._config.rescore and sha256 not in self._rescored,
            file=(file.key, file.signature) if is_safe else None,
        )
        self._rescored.add(sha256)

    def _note_unreadable(self, file: InboxFile, error: TemporaryError) -> None:
        retry_at = self._next_try(file.key)
        self._retry_read_at[file.key] = retry_at or float("inf")
        drop = self._ledger.register_unreadable(
            name=file.name,
            num_bytes=file.num_bytes,
            model=self._model.fingerprint,
            options=self._options,
            error=str(error),
            retry_at=retry_at or 0.0,
        )
        if retry_at is None:
            self._ledger.give_up(drop.id)
            self._note_failure(file.name, error)
        else:
            self._events.note(f"{error}; it is tried again")

    def _next_try(self, key: Hashable) -> float | None:
        """Count an attempt that met temporary trouble; returns when to try again, None where it was the last one."""
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        if tries >= self._config.max_attempts:
            return None
        return time.time() + min(MAX_RETRY_SECONDS, self._config.retry_seconds * 2.0 ** min(tries - 1, 20))

    def _score(self, file: InboxFile, drop: Drop) -> None:
        """Score a claimed drop and enter in the ledger what became of it."""
        try:
            if self._scorer is None:
                self._scorer = self._make_scorer(self._model)
        except BaseException:
            self._let_go(drop)
            raise
        try:
            report = self._drop_scorer.score(file, drop, self._scorer, self._events)
        except ChangedError:
            self._let_go(drop)
            self._ledger.forget_files([file.key])
            self._events.note(
                f"{drop.name} was changed or taken away while it was being scored; nothing of it was published"
            )
        except LeaseLostError as error:
            self._events.note(str(error))
        except CharmillError as error:
            self._take_error(file, drop, error)
        except MemoryError:
            message = f"{file.path}: out of memory; give it more, or fewer --threads"
            self._take_error(file, drop, TemporaryError(message, path=file.path))
        except Exception as error:  # noqa: BLE001  # a defect of ours must not keep the other drops from being scored
            message = (
                f"{file.path}: internal error: {type(error).__name__}: {' '.join(str(error).split())}; please report it"
            )
            failure = CharmillError(message, path=file.path)
            failure.__cause__ = error
            self._take_error(file, drop, failure)
        except BaseException:
            self._let_go(drop)
            raise
        else:
            self._count(drop, report)

    def _let_go(self, drop: Drop) -> None:
        """Let a drop wait again; where even that fails, whoever comes next finds its lease run out."""
        with suppress(CharmillError):
            self._ledger.release(drop)

    def _take_error(self, file: InboxFile, drop: Drop, error: CharmillError) -> None:
        if isinstance(error, UsageError) and str(error.path) != str(file.path):
            self._let_go(drop)
            raise error  # The outbox or the command is wrong, so every drop would meet it.
        is_temporary = error.retryable or isinstance(error, UsageError)  # Its rights may not be set yet.
        values = {"error": str(error), "exit_code": TemporaryError.exit_code if is_temporary else error.exit_code}
        retry_at = self._next_try(drop.id) if is_temporary else None
        if retry_at is not None:
            self._ledger.release(drop, {**values, "retry_at": retry_at})
            self._events.note(f"{error}; it is tried again")
            return
        self._ledger.fail(drop, values)
        self._note_failure(drop.name, TemporaryError(str(error), path=error.path) if is_temporary else error)

    def _note_failure(self, name: str, error: CharmillError) -> None:
        self.report.failed += 1
        self.report.errors.append(error)
        self._events.note(f"{name} failed", error=str(error))

    def _count(self, drop: Drop, report: ScoreReport) -> None:
        done = self.report
        done.scored += 1
        done.rows_in += report.rows_in
        done.rows_scored += report.rows_scored
        done.rows_quarantined += report.rows_quarantined
        done.rows_reused += report.rows_reused
        done.outputs += report.outputs
        self._events.note(
            f"{drop.name} scored",
            rows=report.rows_scored,
            quarantined=report.rows_quarantined,
            **({"reused": report.rows_reused} if report.rows_reused else {}),
        )
