"""Atomic publishing: outputs are built in a hidden staging folder beside their target and appear there whole or not at all.

A staging folder has a fixed name, `.NAME.partial`, and a lock. Whatever a killed job left in it is cleared by the next one, unless that
can go on from there, and two jobs that want the same target cannot mix: the second is told that the lock is held.
"""

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from pipeline.errors import CharmillError, TemporaryError, UsageError, from_os_error

_RENAME_EXCHANGE = 2
_AT_FDCWD = -100
_LOCK = "lock"


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Create a file through `write` and fsync it."""
    with path.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, write: Callable[[BinaryIO], object], *, is_shared: bool = False) -> None:
    """Write a file so that a reader sees the old one or the new one, whole, whatever happens in between.

    Args:
        path: The file.
        write: Writes its content.
        is_shared: Several processes may write it at once. Otherwise the temporary name is fixed, and what a kill leaves is used again.

    Raises:
        CharmillError: The disk is full, or the folder may not be written; the old file is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial" if is_shared else f".{path.name}.partial")
    try:
        temporary.unlink(missing_ok=True)  # It may be a link.
        write_durably(temporary, write)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise from_os_error(error, "write", path) from error


@contextmanager
def staging(target: Path, *, progress: str = "") -> Iterator[Path]:
    """Provide the locked, empty staging folder of a target, and remove it afterwards.

    Args:
        target: What will be published.
        progress: The name of a file that a job writes there once it could go on from what is there. Where there is one, the folder
            outlives an interruption, and is provided as it is: the caller takes what it trusts, or calls `clear_stage`.

    Raises:
        TemporaryError: Another process is writing the same target, or the disk is full.
        UsageError: The folder may not be written, something else is in its place, or the target is the root of all folders.
    """
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
    """
    with _held(folder / ".lock", folder):
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


def publish_file(staged: Path, target: Path) -> None:
    """Move a finished, fsynced file to its target, replacing what is there, durably."""
    target = Path(os.path.realpath(target))
    staged.replace(target)
    sync_folder(target.parent)


def publish_folder(staged: Path, target: Path) -> None:
    """Move a finished folder, its files fsynced, to its target, replacing what is there, durably.

    Where a folder is replaced, the two change places in one step on Linux. Elsewhere there is a moment between two renames in which
    neither is there; the old one is then still beside its place, as `.NAME.old`.
    """
    target = Path(os.path.realpath(target))
    sync_folder(staged)
    if not target.exists() or not any(target.iterdir()):
        staged.replace(target)
    elif not _exchange(staged, target):
        old = target.with_name(f".{target.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        target.replace(old)
        try:
            staged.replace(target)
        except OSError:
            old.replace(target)
            raise
        shutil.rmtree(old)
    sync_folder(target.parent)


def _exchange(a: Path, b: Path) -> bool:
    """Let two names change places in one step; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if libc.renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in {errno.EINVAL, errno.ENOSYS}:
        return False
    raise OSError(number, os.strerror(number), str(b))


def require_new_file(target: Path, *, overwrite: bool, flag: str = "--out") -> None:
    """Refuse to replace a file unasked.

    Args:
        target: The file.
        overwrite: It may be replaced.
        flag: What named it.

    Raises:
        UsageError: The target is a folder, or exists and overwrite is off.
    """
    if target.is_dir():
        raise UsageError(f"{target}: it is a folder; name a file", path=target)
    if target.exists() and not overwrite:
        raise UsageError(
            f"{target}: it exists already; name another {flag}, or add --overwrite to replace it", path=target
        )
