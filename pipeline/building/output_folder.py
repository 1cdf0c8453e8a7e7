"""The place of a new dataset: what may be there already, and where the quarantine of a failed build goes."""

import json
import re
from pathlib import Path

from pipeline.dataset.manifest import FILE_KINDS, MANIFEST, QUARANTINE, TRAIN, VALID, Manifest
from pipeline.errors import UsageError
from pipeline.records.quarantine import QuarantineWriter, is_quarantine, require_no_foreign_file
from pipeline.storage.durable import sync_folder
from pipeline.storage.publish import publish_file

_SHARD_FILE = re.compile(rf"({TRAIN}|{VALID})-[0-9]{{5,}}\.({'|'.join(map(re.escape, FILE_KINDS.values()))})")


def require_free_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse to build a dataset over anything but what may be replaced.

    Raises:
        UsageError: The folder is a file, is not empty, or holds files that no dataset has.
    """
    if is_free(folder):
        return
    if not overwrite:
        raise UsageError(
            f"{folder}: the folder is not empty; name another --out, or add --overwrite to replace the dataset in it",
            path=folder,
        )
    foreign = sorted(entry.name for entry in folder.iterdir() if not _is_ours(entry.name))
    if foreign:
        raise UsageError(
            f"{folder}: --overwrite replaces a dataset only, and {foreign[0]!r} belongs to none; name another --out or move it away",
            path=folder,
        )
    if not _is_dataset(folder):
        raise UsageError(
            f"{folder}: --overwrite replaces a dataset only, and there is no {MANIFEST} of one; name another --out or move it away",
            path=folder,
        )
    for path in (folder / QUARANTINE, quarantine_beside(folder)):
        require_no_foreign_file(path, overwrite=False)


def require_only_dataset(folder: Path, manifest: Manifest) -> None:
    """Refuse to replace a folder in which there is more than the dataset.

    Raises:
        UsageError: There is another file.
    """
    foreign = sorted({entry.name for entry in folder.iterdir()} - manifest.file_names)
    if foreign:
        raise UsageError(
            f"{folder}: --append puts a new folder in the place of the dataset, and {foreign[0]!r} does not belong to it; move it away",
            path=folder,
        )
    require_no_foreign_file(quarantine_beside(folder), overwrite=False)


def is_free(folder: Path) -> bool:
    """Whether a place is free: nothing is there, or only the quarantine of an earlier build that failed.

    Raises:
        UsageError: It is a file, or its quarantine is something else.
    """
    if not folder.exists():
        return True
    if not folder.is_dir():
        raise UsageError(f"{folder}: it is a file; --out names the dataset's folder", path=folder)
    if {entry.name for entry in folder.iterdir()} - {QUARANTINE}:
        return False
    require_no_foreign_file(folder / QUARANTINE, overwrite=False)
    return True


def _is_ours(name: str) -> bool:
    return name in {MANIFEST, QUARANTINE} or _SHARD_FILE.fullmatch(name) is not None


def _is_dataset(folder: Path) -> bool:
    """Whether there is a manifest of any version, or a damaged one with codes beside it; other programs have manifests too."""
    path = folder / MANIFEST
    if not path.is_file():
        return False
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return any(folder.glob(f"*.{FILE_KINDS['codes']}"))
    return isinstance(content, dict) and {"format_version", "profile", "shards"} <= content.keys()


def quarantine_beside(folder: Path) -> Path:
    """The file beside a dataset's folder for the quarantine of a build that failed to replace that dataset."""
    return folder.absolute().with_name(f"{folder.absolute().name}.{QUARANTINE}")


def remove_stale_quarantine(path: Path) -> None:
    """Remove, durably, the quarantine that an earlier build left beside the folder; for when a later one has succeeded."""
    if path.is_file() and is_quarantine(path):
        path.unlink()
        sync_folder(path.parent)


def keep_quarantine(quarantine: QuarantineWriter, target: Path) -> Path | None:
    """Save the quarantine of a build that failed; returns where it is, or None where there is none.

    It goes into the target folder, unless a dataset is there, which stays as it is; then beside it.
    """
    if not quarantine.close():
        return None
    kept = target / QUARANTINE
    if (target / MANIFEST).exists():
        kept = quarantine_beside(target)
    else:
        target.mkdir(exist_ok=True)
        sync_folder(target.parent)
    publish_file(quarantine.path, kept)
    return kept
