"""Scores one drop that this process holds, from the inbox's file to the ledger's last entry. Needs no torch.

The order of writing is what makes it safe. Scores are built in the outbox's `.work/drop-ID/`, under names that no other process uses. Then
the quarantine and the scores are renamed to their places, and only then does the ledger say `scored`. Killed before that, the drop is
still being scored by a dead process: the next one takes it over, reuses its finished parts, and puts the same bytes into the same places.
"""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.drops.inbox import COMPRESSED_ENDINGS, ENDINGS, InboxFile
from jobs.drops.ledger import LeaseLostError, Ledger
from jobs.drops.schema import Drop
from jobs.drops.worker import Owner
from model.scoring.part_writer import ScoreReport
from model.scoring.parts import Part, PartFolder, part_from_json
from model.scoring.scorer import METADATA_KEY, Scorer, failed_quarantine_path, quarantine_path
from pipeline.errors import CharmillError, InputError, TemporaryError, from_os_error
from pipeline.records.quarantine import is_quarantine
from pipeline.storage.durable import sync_folder
from pipeline.storage.source import Source

WORK = ".work"
_PREFIX = "drop-"
_MAX_STEM_BYTES = 180  # A file name has at most 255, and the hashes and the endings need some.


class Events(Protocol):
    """Who is told what happens."""

    def scoring(self, name: str, num_bytes: int) -> AbstractContextManager[Callable[[ScoreReport, int], None]]:
        """A drop begins; the context is told of the rows and of the stored bytes read so far."""

    def note(self, event: str, **figures: Any) -> None:
        """Something happened."""


class ChangedError(Exception):
    """The file in the inbox is not what it was when it was hashed."""


def output_name(drop: Drop) -> str:
    """The name of a drop's scores: the drop's own, what was in it, and what scored it."""
    stem = drop.name.replace("/", "_")  # No file is called so, but a ledger may say so.
    for ending in (*COMPRESSED_ENDINGS, *ENDINGS):
        if ending and stem.lower().endswith(ending):
            stem = stem[: -len(ending)]
    stem = stem.encode()[:_MAX_STEM_BYTES].decode(errors="ignore")
    return f"{stem}-{drop.sha256[:12]}-{drop.model[:8]}.parquet"


class DropScorer:
    """Scores drops into an outbox.

    Args:
        outbox: The folder.
        ledger: Its ledger.
        owner: This process.
        lease_seconds: How long a lease lasts.
        overwrite: Replace a file in the outbox that is not the drop's.
    """

    def __init__(self, outbox: Path, ledger: Ledger, owner: Owner, *, lease_seconds: float, overwrite: bool) -> None:
        self._outbox = outbox
        self._ledger = ledger
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._overwrite = overwrite
        self._remove_rubbish()

    def _remove_rubbish(self) -> None:
        """Remove what was left by processes that were killed after the ledger's last entry of a drop."""
        # The folders first: a drop that comes between the two would seem to be rubbish.
        paths = list((self._outbox / WORK).glob(f"{_PREFIX}*"))
        kept = {f"{_PREFIX}{drop.id}" for drop in self._ledger.open_drops()}
        for path in paths:
            if path.name not in kept:
                _remove(path)

    def score(self, file: InboxFile, drop: Drop, scorer: Scorer, events: Events) -> ScoreReport:
        """Score a drop that this process has claimed, and say so in the ledger.

        Raises:
            ChangedError: The file was changed or taken away meanwhile; nothing was published.
            LeaseLostError: Another process has the drop now.
            CharmillError: It cannot be scored, or not now. The ledger still says that it is being scored.
        """
        work = self._outbox / WORK / f"{_PREFIX}{drop.id}"
        try:
            if work.is_symlink() or not work.is_dir():
                _remove(work)
                work.mkdir()
                sync_folder(work.parent)
        except OSError as error:
            raise from_os_error(error, "write", self._outbox) from error
        journal = _Journal(self._ledger, drop, work, prefix=f"{self._owner.word}.")
        try:
            with self._kept_alive(drop), events.scoring(drop.name, drop.bytes) as show:
                report = self._write_and_publish(file, drop, scorer, journal, show)
        except (OSError, CharmillError) as error:
            journal.remove_unfinished()
            # Where another process has the drop now, that is the reason, whatever this looks like.
            self._require_lease(drop)
            if isinstance(error, OSError):
                raise from_os_error(error, "write", self._outbox) from error
            raise
        except BaseException:
            journal.remove_unfinished()
            raise
        quarantine = next((Path(output).name for output in report.outputs[1:]), "")
        self._ledger.finish(drop, {**_counts(report), "scores": output_name(drop), "quarantine": quarantine})
        shutil.rmtree(work, ignore_errors=True)
        return report

    def _require_lease(self, drop: Drop) -> None:
        try:
            self._ledger.renew(drop)
        except LeaseLostError:
            raise
        except CharmillError:
            pass  # A disk too full even for the ledger says nothing about the lease.

    def _write_and_publish(
        self,
        file: InboxFile,
        drop: Drop,
        scorer: Scorer,
        journal: "_Journal",
        show: Callable[[ScoreReport, int], None],
    ) -> ScoreReport:
        source = Source(str(file.path), drop.name, follow_links=False)
        try:
            written = scorer.write(source, journal.folder, lambda report: show(report, source.bytes_read), journal)
        except CharmillError as error:
            if not error.retryable and not _is_same(source, drop):
                raise ChangedError from error
            raise
        if source.sha256 != drop.sha256:
            raise ChangedError
        target = self._outbox / output_name(drop)
        self._require_ours(target, drop)
        self._ledger.renew(drop)
        try:
            return scorer.publish(written, str(file.path), target)
        except InputError:
            quarantine = "".join(Path(output).name for output in written.report.outputs)
            self._ledger.note(drop, {**_counts(written.report), "rows_scored": 0, "quarantine": quarantine})
            raise

    def _require_ours(self, target: Path, drop: Drop) -> None:
        """Refuse to replace a file that is not this drop's.

        Raises:
            TemporaryError: There is something else; once it is moved away, the drop can be scored.
        """
        for path in (target, quarantine_path(target), failed_quarantine_path(target)):
            is_ours = _is_of(path, drop) if path == target else is_quarantine(path)
            if path.is_symlink() or path.is_dir() or (path.exists() and not is_ours and not self._overwrite):
                raise TemporaryError(
                    f"{path}: an output of {drop.name} would go there, but it is something else; move it away",
                    path=path,
                )

    @contextmanager
    def _kept_alive(self, drop: Drop) -> Iterator[None]:
        """Renew the lease of a drop from a thread of its own, since a block may take longer than a lease."""
        stopped = threading.Event()

        def renew() -> None:
            while not stopped.wait(self._lease_seconds / 3):
                # The disk may be full for a moment; a lost lease is noticed where it matters.
                with suppress(CharmillError):
                    ledger = Ledger(self._outbox, owner=self._owner.name, lease_seconds=self._lease_seconds)
                    try:
                        ledger.renew(drop)
                    finally:
                        ledger.close()

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()


def _counts(report: ScoreReport) -> dict[str, int]:
    return {
        "rows_in": report.rows_in,
        "rows_scored": report.rows_scored,
        "rows_quarantined": report.rows_quarantined,
    }


def _is_of(path: Path, drop: Drop) -> bool:
    """Whether a file is the scores of a drop's content, by the model that the drop has."""
    try:
        with path.open("rb") as file:
            metadata = json.loads((pq.read_schema(file).metadata or {})[METADATA_KEY.encode()])
        return bool(metadata["source"]["sha256"] == drop.sha256 and metadata["model_fingerprint"] == drop.model)
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return False


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder, whatever it is, and nothing that a link points to."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _is_same(source: Source, drop: Drop) -> bool:
    """Whether a drop's file still has its content."""
    try:
        return source.hash_stored() == drop.sha256
    except CharmillError:
        return False


class _Journal:
    """The parts of a drop, kept in the ledger; those of an earlier process too, where their files are whole."""

    def __init__(self, ledger: Ledger, drop: Drop, path: Path, prefix: str) -> None:
        self._ledger = ledger
        self._drop = drop
        self._path = path
        self._prefix = prefix
        self.folder = PartFolder(path, prefix)
        self.parts = self._verified()
        self._remove_but_parts("")

    def _verified(self) -> list[Part]:
        parts: list[Part] = []
        for content in self._ledger.parts(self._drop):
            with suppress(InputError):
                part = part_from_json(content)
                if part.number == len(parts) and self.folder.is_whole(part):
                    parts.append(part)
                    continue
            self._ledger.forget_parts(self._drop, len(parts))
            break
        return parts

    def add(self, part: Part) -> None:
        """Remember a part; once this returns, it survives a kill."""
        self._ledger.add_part(self._drop, part.number, part.to_json())
        self.parts.append(part)

    def remove_unfinished(self) -> None:
        """Remove what this process wrote and did not finish. Others may have the drop by now, so nothing else is touched."""
        self._remove_but_parts(self._prefix)

    def _remove_but_parts(self, prefix: str) -> None:
        kept = {file.name for part in self.parts for file in (part.scores, part.quarantine) if file is not None}
        with suppress(OSError):
            for path in self._path.glob(f"{prefix}*"):
                if path.name not in kept:
                    _remove(path)
