"""This process as others know it: its name in the ledger, and a locked file that shows that it lives.

The system lets go of the lock when a process ends, however it ends, so a file that nobody holds belongs to a dead process. That is asked
only about processes of the same host; of others one waits until their lease has run out.
"""

import socket
import uuid
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

_SUFFIX = ".alive"
_ASKED_SECONDS = 10.0


class Worker:
    """This process, alive until it is closed.

    Args:
        folder: Where the files are; shared by all processes that ask about each other.

    Attributes:
        id: A word that no other process has.
        name: The host and the id.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.id = uuid.uuid4().hex[:12]
        self.name = f"{socket.gethostname()}:{self.id}"
        self._path = folder / f"{self.id}{_SUFFIX}"
        self._lock = FileLock(self._path)
        # Another process may just be asking whether this one is dead, and so hold the lock for a moment.
        self._lock.acquire(timeout=_ASKED_SECONDS, poll_interval=0.01)

    def close(self) -> None:
        """Remove this process's file: others take it for ended from now on."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._lock.release()

    def is_dead(self, name: str) -> bool:
        """Whether the process of a name has surely ended."""
        host, _, word = name.rpartition(":")
        if host != socket.gethostname() or word == self.id or not word.isalnum():
            return False
        return _remove_unlocked(self._folder / f"{word}{_SUFFIX}")

    def remove_dead(self) -> None:
        """Remove the files of processes that were killed."""
        for path in self._folder.glob(f"*{_SUFFIX}"):
            if path != self._path:
                _remove_unlocked(path)


def _remove_unlocked(path: Path) -> bool:
    """Remove a file unless its lock is held; returns whether it is gone."""
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
