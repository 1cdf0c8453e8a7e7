"""Publishing: a finished file or folder takes the place of its target in one step, durably."""

import ctypes
import errno
import os
import re
import shutil
import stat
import sys
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.storage.durable import sync_folder

_RENAME_EXCHANGE = 2
_AT_FDCWD = -100
_STREAM = re.compile(r"-|/dev/(stdin|stdout|stderr|fd/\d+)|/proc/[^/]+/fd/\d+")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/")


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
    elif not exchange(staged, target):
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


def exchange(a: Path, b: Path) -> bool:
    """Let two names change places in one step; False where the system, or the file system, cannot."""
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


def require_local(out: Path, *, flag: str = "--out", remedy: str = "name a file or a folder") -> None:
    """Refuse what no finished file or folder can take the place of: addresses, standard input and output by any name, pipes, devices.

    Args:
        out: The file or folder to write.
        flag: What named it.
        remedy: What to do instead, for the message.

    Raises:
        UsageError: It is one of those.
    """
    if _ADDRESS.match(str(out)):
        kind = "an address"
    elif str(out) in {"-", "/dev/stdout"}:
        kind = "standard output"
    elif _STREAM.fullmatch(str(out)):
        kind = "a stream"
    elif out.exists() and not (out.is_dir() or out.is_file()):
        kind = "a pipe" if stat.S_ISFIFO(out.stat().st_mode) else "a device"
    else:
        return
    shown = _ADDRESS.sub(lambda found: f"{found[0]}/", str(out))  # A path has lost the second slash.
    raise UsageError(f"{flag} {shown}: it is {kind} and no file; {remedy}", path=out)


def require_new_file(target: Path, *, overwrite: bool, flag: str = "--out", example: str = "") -> None:
    """Refuse to replace a file unasked.

    Args:
        target: The file.
        overwrite: It may be replaced.
        flag: What named it.
        example: A name that would do, for messages.

    Raises:
        UsageError: The target is a stream, a device or a folder, or exists and overwrite is off.
    """
    remedy = f"name a file such as {example}" if example else "name a file"
    require_local(target, flag=flag, remedy=remedy)
    if target.is_dir():
        raise UsageError(f"{target}: it is a folder; {remedy}", path=target)
    if target.exists() and not overwrite:
        raise UsageError(
            f"{target}: it exists already; name another {flag}, or add --overwrite to replace it", path=target
        )
