"""Scores one drop that this process holds, from the inbox's file to the ledger's last entry.

The order of writing is what makes it safe. Scores are built in the outbox's `.work/drop-ID/`, under names that no other process uses. Then
the quarantine and the scores are renamed to their places, and only then does the ledger say `scored`. Killed before that, the drop is
still being scored by a dead process: the next one takes it over, reuses its finished parts, and puts the same bytes into the same places.
"""

import shutil
import time
from contextlib import suppress
from pathlib import Path

from jobs.drops.inbox import InboxFile
from jobs.drops.ledger.leases import Lease, LeaseLostError
from jobs.drops.ledger.schema import Drop
from jobs.drops.outbox import Outbox, output_name, remove
from model.scoring.part_writer import ScoreReport
from model.scoring.parts import Part, PartFolder, part_from_json
from model.scoring.scorer import Scorer
from pipeline.errors import CharmillError, InputError, from_os_error
from pipeline.execution.meter import Meter, Meters, rates
from pipeline.storage.source import Source


class ChangedError(Exception):
    """The file in the inbox is not what it was when it was hashed."""


class DropScorer:
    """Scores drops into an outbox.

    Args:
        outbox: Where scores go.
        prefix: Of file names that no other process uses.
        meters: Opens a meter for each drop.
    """

    def __init__(self, outbox: Outbox, prefix: str, meters: Meters) -> None:
        self._outbox = outbox
        self._prefix = prefix
        self._meters = meters

    def score(self, file: InboxFile, lease: Lease, scorer: Scorer) -> ScoreReport:
        """Score a drop that this process has claimed, and say so in the ledger.

        Raises:
            ChangedError: The file was changed or taken away meanwhile; nothing was published.
            LeaseLostError: Another process has the drop now.
            CharmillError: It cannot be scored, or not now. The ledger still says that it is being scored.
        """
        drop = lease.drop
        journal = DropJournal(lease, self._outbox.make_work_folder(drop), self._prefix)
        try:
            with lease.kept_alive(), self._meters(drop.called, drop.bytes) as meter:
                report = self._write_and_publish(file, lease, scorer, journal, meter)
        except (OSError, CharmillError) as error:
            journal.remove_unfinished()
            # Where another process has the drop now, that is the reason, whatever this looks like.
            _require_held(lease)
            if isinstance(error, OSError):
                raise from_os_error(error, "write", self._outbox.folder) from error
            raise
        except BaseException:
            journal.remove_unfinished()
            raise
        quarantine = next((Path(output).name for output in report.outputs[1:]), "")
        lease.finish({**_outcome(report), "scores": output_name(drop), "quarantine": quarantine})
        shutil.rmtree(journal.path, ignore_errors=True)
        return report

    def _write_and_publish(
        self, file: InboxFile, lease: Lease, scorer: Scorer, journal: "DropJournal", meter: Meter
    ) -> ScoreReport:
        started, drop = time.monotonic(), lease.drop
        source = Source(str(file.path), drop.name, follow_links=False)

        def show(report: ScoreReport) -> None:
            num_bytes = source.bytes_read
            meter.update(num_bytes, lambda: rates(started, report.rows_in, num_bytes))

        try:
            written = scorer.write(source, journal.folder, show, journal)
        except CharmillError as error:
            if not error.retryable and not _is_same(source, drop):
                raise ChangedError from error
            raise
        if source.sha256 != drop.sha256:
            raise ChangedError
        target = self._outbox.scores_path(drop)
        lease.renew()
        try:
            return scorer.publish(written, str(file.path), target)
        except InputError:
            quarantine = "".join(Path(output).name for output in written.report.outputs)
            lease.note({**_outcome(written.report), "rows_scored": 0, "quarantine": quarantine})
            raise


def _require_held(lease: Lease) -> None:
    try:
        lease.renew()
    except LeaseLostError:
        raise
    except CharmillError:
        pass  # A disk too full even for the ledger says nothing about the lease.


def _outcome(report: ScoreReport) -> dict[str, object]:
    return {
        "rows_in": report.rows_in,
        "rows_scored": report.rows_scored,
        "rows_quarantined": report.rows_quarantined,
        "delimiter": report.dialect.delimiter,
        "encoding": report.dialect.encoding,
    }


def _is_same(source: Source, drop: Drop) -> bool:
    """Whether a drop's file still has its content."""
    try:
        return source.hash_stored() == drop.sha256
    except CharmillError:
        return False


class DropJournal:
    """The finished parts of a drop: the ledger has the list, a folder the files. Parts of an earlier process count where they are whole.

    Args:
        lease: Of the drop.
        path: The folder. What belongs to no part is removed from it.
        prefix: Of the names of files that this process writes there.
    """

    def __init__(self, lease: Lease, path: Path, prefix: str) -> None:
        self.path = path
        self.folder = PartFolder(path, prefix)
        self._lease = lease
        self._prefix = prefix
        self.parts = self._verified()
        self._remove_but_parts("")

    def _verified(self) -> list[Part]:
        parts: list[Part] = []
        for content in self._lease.parts():
            with suppress(InputError):
                part = part_from_json(content)
                if part.number == len(parts) and self.folder.is_whole(part):
                    parts.append(part)
                    continue
            self._lease.forget_parts(len(parts))
            break
        return parts

    def add(self, part: Part) -> None:
        """Remember a part; once this returns, it survives a kill."""
        self._lease.add_part(part.number, part.to_json())
        self.parts.append(part)

    def remove_unfinished(self) -> None:
        """Remove what this process wrote and did not finish. Others may have the drop by now, so nothing else is touched."""
        self._remove_but_parts(self._prefix)

    def _remove_but_parts(self, prefix: str) -> None:
        kept = {file.name for part in self.parts for file in (part.scores, part.quarantine) if file is not None}
        with suppress(OSError):
            for path in self.path.glob(f"{prefix}*"):
                if path.name not in kept:
                    remove(path)
