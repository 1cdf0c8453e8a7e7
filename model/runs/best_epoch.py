"""The best epoch so far, and the end of patience for a better one, both told from the epochs' metrics.

Prechelt, "Early Stopping - But When?", 1998, calls it the third class of criteria: so many epochs without progress.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Metrics = Mapping[str, Any]
"""Of one epoch, a line of `metrics.jsonl`."""


def best_epoch(history: Sequence[Metrics], best_by: str) -> int:
    """The epoch, from 0, that was best on the held-out rows; of several alike the first.

    Args:
        history: At least one epoch's line of metrics.
        best_by: One of `BestBy`.
    """
    if best_by == "accuracy":
        return max(range(len(history)), key=lambda epoch: history[epoch]["valid_accuracy"])
    return min(range(len(history)), key=lambda epoch: history[epoch]["valid_loss"])


def is_out_of_patience(history: Sequence[Metrics], best_by: str, patience: int) -> bool:
    """Whether the last `patience` epochs were no better than one before; never where that is 0."""
    return 0 < patience < len(history) and len(history) - 1 - best_epoch(history, best_by) >= patience
