"""Staging folders: where an output is built, hidden and locked, before it is published.

A staging folder has a fixed name, `.NAME.partial`, and a lock. Whatever a killed job left in it is cleared by the next one, unless that
can go on from there, and two jobs that want the same target cannot mix: the second is told that the lock is held.
"""

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import CharmillError, TemporaryError, UsageError, from_os_error
from pipeline.storage.publish import require_local

_LOCK = "lock"


@contextmanager
def staging(target: Path, *, progress: str = "") -> Iterator[Path]:
    """Provide the locked, empty staging folder of a target, and remove it afterwards.

    Args:
        target: What will be published.
        progress: The name of a file that a job writes there once it could go on from what is there. Where there is one, the folder
            outlives an interruption, and is provided as it is: the caller takes what it trusts, or calls `clear_stage`.

    Raises:
        TemporaryError: Another process is writing the same target, or the disk is full.
        UsageError: The folder may not be written, something else is in its place, or the target is the root of all folders,
            an address or a stream.
    """
    require_local(target)
    where = Path(os.path.realpath(target))  # A link keeps pointing there, and . has a name.
    if not where.name:
        raise UsageError(f"{target}: it is the root of all folders; name a path below it", path=target)
    folder = where.with_name(f".{where.name}.partial")
    try:
        with ExitStack() as stack:
            try:
                _require_ours(folder, target, progress)
                folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(_held(folder / _LOCK, target))
                stack.enter_context(_removed_afterwards(folder, progress))
                if not _has_progress(folder, progress):
                    clear_stage(folder)
            except (FileNotFoundError, FileExistsError) as error:
                raise _busy(target) from error  # The other one is just removing its folder.
            yield folder
    except OSError as error:
        raise from_os_error(error, "write", target) from error


def _require_ours(folder: Path, target: Path, progress: str) -> None:
    """Refuse to clear what charmill did not make: the lock is a staging folder's first entry and its last.

    Raises:
        UsageError: Something else is there.
    """
    if folder.is_symlink():
        found = "a link"
    elif folder.is_dir():
        entries = {entry.name for entry in folder.iterdir()}
        if not entries or not {_LOCK, progress}.isdisjoint(entries):
            return
        found = f"a folder with {min(entries)!r} and no {_LOCK} in it"
    elif folder.exists():
        found = "a file"
    else:
        return
    raise UsageError(
        f"{target}: cannot write: {folder} would be its staging folder, but it is {found}; move it away", path=folder
    )


@contextmanager
def _removed_afterwards(folder: Path, progress: str) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if not (_has_progress(folder, progress) and is_interruption(error)):
            _remove(folder)
        raise
    _remove(folder)


def _has_progress(folder: Path, progress: str) -> bool:
    return bool(progress) and (folder / progress).is_file()


def is_interruption(error: BaseException) -> bool:
    """Whether the same command may well succeed when it is run again."""
    if isinstance(error, OSError):
        error = from_os_error(error, "write", "")
    return isinstance(error, KeyboardInterrupt | MemoryError) or (isinstance(error, CharmillError) and error.retryable)


def _remove(folder: Path) -> None:
    """Remove a staging folder, its lock last: as soon as that is gone, the next process may be building under the same names."""
    with suppress(OSError):
        clear_stage(folder)
        shutil.rmtree(folder)


@contextmanager
def _held(lock: Path, target: Path) -> Iterator[None]:
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout as error:
        raise _busy(target) from error
    try:
        yield
    finally:
        held.release()


def _busy(target: Path) -> TemporaryError:
    return TemporaryError(
        f"{target}: another charmill process is writing it; wait for it and run this again", path=target
    )


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a folder that is built in place, such as a run.

    Raises:
        TemporaryError: Another process holds it.
        UsageError: Something else is in the lock's place.
    """
    lock = folder / ".lock"
    with ExitStack() as stack:
        try:
            stack.enter_context(_held(lock, folder))
        except OSError as error:
            raise from_os_error(error, "lock", lock) from error
        yield


def clear_stage(folder: Path, keep: Collection[Path] = ()) -> None:
    """Empty a staging folder but for its lock.

    Args:
        folder: The staging folder.
        keep: Files within it that stay, and with them the folders that they are in.
    """
    kept = {folder / _LOCK, *keep}
    kept |= {parent for path in keep for parent in path.parents}
    _clear(folder, kept)


def _clear(folder: Path, kept: Collection[Path]) -> None:
    for entry in folder.iterdir():
        is_folder = entry.is_dir() and not entry.is_symlink()
        if entry not in kept:
            if is_folder:
                shutil.rmtree(entry)
            else:
                entry.unlink()
        elif is_folder:
            _clear(entry, kept)
