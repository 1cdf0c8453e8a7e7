"""The outbox: how its files are called, where drops are worked on, and which files may be replaced or removed."""

import json
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.drops.ledger.schema import Drop
from model.scoring.scorer import METADATA_KEY, failed_quarantine_path, quarantine_path
from pipeline.errors import TemporaryError, UsageError, from_os_error
from pipeline.records.quarantine import is_quarantine
from pipeline.storage.durable import sync_folder
from pipeline.storage.endings import stem

WORK = ".work"
_PREFIX = "drop-"
_MAX_STEM_BYTES = 180  # A file name has at most 255, and the hashes and the endings need some.


def output_name(drop: Drop) -> str:
    """The name of a drop's scores: the drop's own, what was in it, and what scored it."""
    name = stem(drop.name.replace("/", "_"))  # No file is called so, but a ledger may say so.
    short = name.encode()[:_MAX_STEM_BYTES].decode(errors="ignore")
    return f"{short}-{drop.sha256[:12]}-{drop.model[:8]}.parquet"


class Outbox:
    """The folder of scores, with a hidden folder `work` in it; both are made if need be.

    Args:
        folder: The folder.
        overwrite: Files that are no drop's may be replaced.

    Raises:
        UsageError: It cannot be written, or the work folder is a link.
    """

    def __init__(self, folder: Path, *, overwrite: bool) -> None:
        self.folder = folder
        self.work = folder / WORK
        self._overwrite = overwrite
        try:
            if self.work.is_symlink():
                raise UsageError(
                    f"{self.work}: it is a link, and drops would be worked on elsewhere; move it away", path=self.work
                )
            self.work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise from_os_error(error, "write", folder) from error

    def make_work_folder(self, drop: Drop) -> Path:
        """The folder in which a drop is worked on; what an earlier process left there stays.

        Raises:
            CharmillError: It cannot be made.
        """
        folder = self.work / f"{_PREFIX}{drop.id}"
        try:
            if folder.is_symlink() or not folder.is_dir():
                remove(folder)
                folder.mkdir()
                sync_folder(folder.parent)
        except OSError as error:
            raise from_os_error(error, "write", self.folder) from error
        return folder

    def remove_rubbish(self, resumable_drops: Callable[[], Iterable[Drop]]) -> None:
        """Remove what was left by processes that were killed after the ledger's last entry of a drop.

        Args:
            resumable_drops: Asks the ledger which drops may go on behind what is finished of them.
        """
        # The folders first: a drop that comes between the two would seem to be rubbish.
        paths = list(self.work.glob(f"{_PREFIX}*"))
        kept = {f"{_PREFIX}{drop.id}" for drop in resumable_drops()}
        for path in paths:
            if path.name not in kept:
                remove(path)

    def scores_path(self, drop: Drop) -> Path:
        """Where a drop's scores go.

        Raises:
            TemporaryError: There, or in the place of the quarantine, is something else; once it is moved away, the drop can be scored.
        """
        target = self.folder / output_name(drop)
        for path in (target, quarantine_path(target), failed_quarantine_path(target)):
            is_ours = _is_of(path, drop) if path == target else is_quarantine(path)
            if path.is_symlink() or path.is_dir() or (path.exists() and not is_ours and not self._overwrite):
                raise TemporaryError(
                    f"{path}: an output of {drop.called} would go there, but it is something else; move it away",
                    path=path,
                )
        return target


def _is_of(path: Path, drop: Drop) -> bool:
    """Whether a file is the scores of a drop's content, by the model that the drop has."""
    try:
        with path.open("rb") as file:
            metadata = json.loads((pq.read_schema(file).metadata or {})[METADATA_KEY.encode()])
        return bool(metadata["source"]["sha256"] == drop.sha256 and metadata["model_fingerprint"] == drop.model)
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return False


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, whatever it is, and nothing that a link points to."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
