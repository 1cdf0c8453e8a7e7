"""How far a job is, told to whoever wants to show it. Knows no console."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

Figures = Mapping[str, float | str]
"""What to show beside the progress: numbers, rounded to what is worth showing, and text."""


class Meter(Protocol):
    """Shows how far a job is."""

    def update(self, done: float, figures: Callable[[], Figures]) -> None:
        """Say that so much of the total is done; figures are asked for only when something is shown."""

    def note(self, event: str, **figures: Any) -> None:
        """Write a line that stays."""


def rates(started: float, num_rows: int, num_bytes: int) -> Figures:
    """Rows/s and MB/s since a `time.monotonic()`."""
    seconds = max(time.monotonic() - started, 1e-9)
    return {"rows": num_rows, "rows/s": round(num_rows / seconds), "MB/s": round(num_bytes / seconds / 1e6, 1)}
