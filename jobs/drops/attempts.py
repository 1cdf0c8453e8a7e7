"""Attempts: how often what met temporary trouble is tried again, and when."""

import time
from collections import Counter
from collections.abc import Hashable

MAX_PAUSE_SECONDS = 300.0


class Attempts:
    """Counts the attempts of this process at whatever has a key.

    Args:
        most: So many attempts are made.
        pause_seconds: The pause before the second one; it doubles each time, up to five minutes.
    """

    def __init__(self, most: int, pause_seconds: float) -> None:
        self._most = most
        self._pause_seconds = pause_seconds
        self._failed: Counter[Hashable] = Counter()

    def next_at(self, key: Hashable) -> float | None:
        """Count an attempt that failed; returns when to try again, seconds since 1970, or None where it was the last one."""
        self._failed[key] += 1
        failed = self._failed[key]
        if failed >= self._most:
            return None
        return time.time() + min(MAX_PAUSE_SECONDS, self._pause_seconds * 2.0 ** min(failed - 1, 20))
