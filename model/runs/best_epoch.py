"""Which epoch is the best one so far, and when to stop waiting for a better one: functions of the lines of metrics. Imports nothing heavy.

Prechelt, "Early Stopping - But When?", 1998, calls it the third class of criteria: so many epochs without progress.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Line = Mapping[str, Any]


def best_epoch(history: Sequence[Line], best_by: str) -> int:
    """The epoch, from 0, that was best on the held-out rows; of several alike the first.

    Args:
        history: At least one epoch's line of metrics.
        best_by: One of `BestBy`.
    """
    if best_by == "accuracy":
        return max(range(len(history)), key=lambda epoch: history[epoch]["valid_accuracy"])
    return min(range(len(history)), key=lambda epoch: history[epoch]["valid_loss"])


def is_out_of_patience(history: Sequence[Line], best_by: str, patience: int) -> bool:
    """Whether the last `patience` epochs were no better than one before; never where that is 0."""
    return 0 < patience < len(history) and len(history) - 1 - best_epoch(history, best_by) >= patience
