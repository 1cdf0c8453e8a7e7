"""Progress of a job, for whoever wants to show it: a bar, log lines, or nothing at all."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

Figures = Mapping[str, float | str]
"""What to show beside the progress: numbers, rounded to what is worth showing, and text."""


class Meter(Protocol):
    """Shows how far a stage is."""

    def update(self, done: float, figures: Callable[[], Figures]) -> None:
        """Say that so much of the total is done; figures are asked for only when something is shown."""

    def note(self, event: str, **figures: Any) -> None:
        """Write a line that stays."""


Meters = Callable[[str, float], AbstractContextManager[Meter]]
"""Opens a meter for a stage: its title, and the total that `done` will reach, 0 where it is not known."""


class Silent:
    """A meter that shows nothing."""

    def update(self, done: float, figures: Callable[[], Figures]) -> None:
        """Show nothing, so ask for no figures."""

    def note(self, event: str, **figures: Any) -> None:
        """Write nothing."""


def silent(_title: str, _total: float) -> AbstractContextManager[Meter]:
    """Open a meter that shows nothing, for callers without a console: `Meters`."""
    return nullcontext(Silent())


def rates(started: float, num_rows: int, num_bytes: int) -> Figures:
    """Rows/s and MB/s since a `time.monotonic()`."""
    seconds = max(time.monotonic() - started, 1e-9)
    return {"rows": num_rows, "rows/s": round(num_rows / seconds), "MB/s": round(num_bytes / seconds / 1e6, 1)}
