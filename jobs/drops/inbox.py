"""The inbox: which files in a folder are drops, and whether their senders have finished with them."""

import hashlib
import os
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pipeline.errors import TemporaryError, UsageError, from_os_error
from pipeline.storage.endings import ENDINGS, has_ending
from pipeline.storage.source import as_text, open_stored

# A file changed so shortly before it was hashed could change again without a sign: clocks are coarse.
_RACY_SECONDS = 2.0

LINK, FOLDER, SPECIAL, HIDDEN = "a link", "a folder", "no regular file", "hidden"
OTHER_ENDING = f"does not end in {' or '.join(ENDINGS)}, plain, .gz or .zst"
INCOMPLETE = "still being written"
"""Why something in an inbox is passed over."""

_MOST_NAMES = 10


@dataclass(frozen=True, kw_only=True)
class InboxFile:
    """A regular file in the inbox that may be a drop.

    Attributes:
        path: Where it is.
        num_bytes: Its size.
        changed_at: When its content, rights or name last changed, seconds since 1970 by the file system's clock.
        signature: Differs whenever the file was touched.
        is_signalled: Its sender has said that it is complete.
    """

    path: Path
    num_bytes: int
    changed_at: float
    signature: str
    is_signalled: bool

    @property
    def name(self) -> str:
        """The file name as text."""
        return as_text(self.path.name)

    @property
    def key(self) -> bytes:
        """The file name as it is."""
        return os.fsencode(self.path.name)


def is_drop_name(name: str) -> bool:
    """Whether a file of this name may be a drop: NAME.csv and its like, but not .NAME.csv, NAME.csv.tmp or NAME.csv.part."""
    return not name.startswith(".") and has_ending(name)


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """Something in the inbox that is not scored.

    Attributes:
        name: Its name as text.
        why: The reason, as it is said.
        changed_at: When it last changed, seconds since 1970 by the file system's clock.
    """

    name: str
    why: str
    changed_at: float


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What is in an inbox.

    Attributes:
        files: Those that may be drops, those first that were changed first.
        passed_over: All else, by name; not the files that say that others are complete.
    """

    files: list[InboxFile]
    passed_over: list[PassedOver]


def list_inbox(folder: Path, ready_suffix: str = "") -> Listing:
    """Look at what is in an inbox.

    Args:
        folder: The inbox.
        ready_suffix: Where not empty, a file NAME counts only if there is a file NAME + ready_suffix.

    Raises:
        UsageError: There is no such folder, or it may not be read.
    """
    try:
        with os.scandir(folder) as entries:
            found = {entry.name: entry for entry in entries}
        files, passed_over = [], []
        for name, entry in found.items():
            if ready_suffix and name.endswith(ready_suffix) and is_drop_name(name.removesuffix(ready_suffix)):
                continue
            with suppress(FileNotFoundError):  # It may be taken away while we look.
                status = entry.stat(follow_symlinks=False)
                mark = found.get(name + ready_suffix) if ready_suffix else None
                is_signalled = mark is not None and mark.is_file(follow_symlinks=False)
                why = _why_passed_over(name, status.st_mode)
                if not why and ready_suffix and not is_signalled:
                    why = f"no {ready_suffix} file beside it yet"
                if why:
                    passed_over.append(PassedOver(name=as_text(name), why=why, changed_at=status.st_ctime))
                else:
                    files.append(_describe(Path(entry.path), status, is_signalled=is_signalled))
    except FileNotFoundError as error:
        raise UsageError(
            f"{folder}: there is no such inbox; make the folder, or name another --inbox", path=folder
        ) from error
    except OSError as error:
        raise from_os_error(error, "read", folder) from error
    return Listing(
        files=sorted(files, key=lambda file: (file.changed_at, file.path)),
        passed_over=sorted(passed_over, key=lambda each: each.name),
    )


def _why_passed_over(name: str, mode: int) -> str:
    """Why something is no drop, whatever else is beside it; empty where it may be one."""
    if not stat.S_ISREG(mode):
        return LINK if stat.S_ISLNK(mode) else FOLDER if stat.S_ISDIR(mode) else SPECIAL
    if is_drop_name(name):
        return ""
    return HIDDEN if name.startswith(".") else OTHER_ENDING


def _describe(path: Path, status: os.stat_result, *, is_signalled: bool) -> InboxFile:
    return InboxFile(
        path=path,
        num_bytes=status.st_size,
        changed_at=status.st_ctime,
        signature=_signature(status),
        is_signalled=is_signalled,
    )


def _signature(status: os.stat_result) -> str:
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def hash_file(file: InboxFile) -> tuple[str, bool] | None:
    """Hash a file that is listed.

    Returns:
        Its SHA-256, and whether the signature will tell if it changes again; None where it is not the file that was listed any more.

    Raises:
        TemporaryError: It cannot be read for now.
    """
    try:
        with open_stored(file.path, follow_links=False) as stored:
            before = os.fstat(stored.fileno())
            if not stat.S_ISREG(before.st_mode) or _signature(before) != file.signature:
                return None
            digest = hashlib.file_digest(stored, "sha256").hexdigest()
            after = os.fstat(stored.fileno())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TemporaryError(f"{file.path}: cannot read: {error.strerror}; check its rights", path=file.path) from error
    if _signature(after) != file.signature:
        return None
    return digest, time.time() - after.st_ctime > _RACY_SECONDS


def describe_passed_over(reasons: Mapping[str, str]) -> str:
    """How many are passed over, their names and why, as in ``3: a.txt, b.xlsx (does not end in .csv or .tsv), old (a folder)``.

    Args:
        reasons: By name.
    """
    names: dict[str, list[str]] = {}
    for name, why in islice(reasons.items(), _MOST_NAMES):
        names.setdefault(why, []).append(name)
    groups = [f"{', '.join(same)} ({why})" for why, same in names.items()]
    more = len(reasons) - _MOST_NAMES
    return f"{len(reasons):,}: {', '.join(groups)}{f', and {more:,} more' if more > 0 else ''}"
