"""Who is at work: a name for this process, and whether a process of some name still lives. Used by the ledger of drops.

A living process holds the lock of a file that bears its name; the system lets go of it when the process ends, however it ends. That is
asked only about processes on the same host. Of others one waits until their lease has run out.
"""

import socket
import uuid
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

_SUFFIX = ".alive"


class Owner:
    """This process, for as long as it is open.

    Args:
        folder: Where the files are; shared by all processes that ask about each other.

    Attributes:
        name: The host and a word that no other process has.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.word = uuid.uuid4().hex[:12]
        self.name = f"{socket.gethostname()}:{self.word}"
        self._path = folder / f"{self.word}{_SUFFIX}"
        self._lock = FileLock(self._path)
        self._lock.acquire(timeout=0)

    def close(self) -> None:
        """Be known as ended."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._lock.release()

    def is_dead(self, name: str) -> bool:
        """Whether the process of a name has surely ended."""
        host, _, word = name.rpartition(":")
        if host != socket.gethostname() or word == self.word or not word.isalnum():
            return False
        return _is_free(self._folder / f"{word}{_SUFFIX}")

    def sweep(self) -> None:
        """Remove what processes of this host left that did not end by themselves."""
        for path in self._folder.glob(f"*{_SUFFIX}"):
            if path != self._path:
                _is_free(path)


def _is_free(path: Path) -> bool:
    """Whether nobody holds the lock of a file; then it is removed."""
    if not path.exists():
        return True
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    with suppress(OSError):
        path.unlink(missing_ok=True)
    lock.release()
    return True
