"""Arrivals: which files of the inbox are complete. A file is when it has not changed for a while, or when its sender says so."""

import time
from collections.abc import Sequence

from jobs.drops.inbox import InboxFile


class Arrivals:
    """Remembers what was seen of files, from one look at the inbox to the next.

    Args:
        settle_seconds: A file that has not changed for so long is complete.
    """

    def __init__(self, settle_seconds: float) -> None:
        self._settle_seconds = settle_seconds
        self._first_seen: dict[
            bytes, tuple[str, float]
        ] = {}  # The signature, and when it was new, by the monotonic clock.
        self._complete_at: dict[bytes, float] = {}  # By the monotonic clock.
        self._growing: set[bytes] = set()

    @property
    def num_incomplete(self) -> int:
        """Files of the last look that are not complete."""
        return len(self._complete_at)

    def begin_look(self, files: Sequence[InboxFile]) -> None:
        """Forget all files but those that the inbox has now."""
        keys = {file.key for file in files}
        self._complete_at = {}
        self._first_seen = {key: seen for key, seen in self._first_seen.items() if key in keys}

    def is_complete(self, file: InboxFile) -> bool:
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
        self._complete_at[file.key] = now + self._settle_seconds - age
        return False

    def seconds_left(self, *, skip_growing: bool) -> list[float]:
        """After how long the files of the last look will be complete, if they do not change again.

        Args:
            skip_growing: Leave out those that have changed from one look to another.
        """
        now = time.monotonic()
        return [at - now for key, at in self._complete_at.items() if not (skip_growing and key in self._growing)]
