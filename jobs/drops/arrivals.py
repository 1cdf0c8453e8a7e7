"""Whether a file's sender has finished with it: it has when the file has not changed for a while, or when the sender says so."""

import time
from collections.abc import Collection

from jobs.drops.inbox import InboxFile


class Settling:
    """Remembers what was seen of files, from one look at the inbox to the next.

    Args:
        settle_seconds: A file that has not changed for so long is complete.
    """

    def __init__(self, settle_seconds: float) -> None:
        self._settle_seconds = settle_seconds
        self._first_seen: dict[bytes, tuple[str, float]] = {}
        self._settles_at: dict[bytes, float] = {}  # By the monotonic clock.
        self._growing: set[bytes] = set()

    @property
    def num_unsettled(self) -> int:
        """Files of the last look that are not complete."""
        return len(self._settles_at)

    def begin(self, keys: Collection[bytes]) -> None:
        """A new look begins, at the files of these keys."""
        self._settles_at = {}
        self._first_seen = {key: seen for key, seen in self._first_seen.items() if key in keys}

    def has_settled(self, file: InboxFile) -> bool:
        """Whether a file is complete, by the file system's clock or, if that is off, by how long we have seen it as it is."""
        now = time.monotonic()
        signature, since = self._first_seen.get(file.key, ("", now))
        if signature != file.signature:
            if signature:
                self._growing.add(file.key)
            since = now
            self._first_seen[file.key] = (file.signature, now)
        age = max(time.time() - file.changed_at, now - since)
        if file.is_signalled or age >= self._settle_seconds:
            return True
        self._settles_at[file.key] = now + self._settle_seconds - age
        return False

    def seconds_left(self, *, but_growing: bool) -> list[float]:
        """How long the files of the last look need to settle, if they do not change again.

        Args:
            but_growing: Leave out those that have changed from one look to another.
        """
        now = time.monotonic()
        return [at - now for key, at in self._settles_at.items() if not (but_growing and key in self._growing)]
