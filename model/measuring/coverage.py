"""Coverage: the share of rows that a confidence threshold keeps, and how many of those are right. Needs no torch.

As in scoring, a row at the threshold, in float32, is kept. Rows of the same confidence are kept or dropped together.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model.runs.accuracy import accuracy_of
from model.runs.evaluation import Coverage, Target

MAX_POINTS = 101
ENGINE_ROUNDING = 1e-6
"""How far the engines' confidences may differ at temperature 1: a threshold keeps this distance from all held-out rows."""

_ERRORS_UNSEEN = 3.0

Confidences = npt.NDArray[np.float32]
IsRight = npt.NDArray[np.bool_]


def least_rows(accuracy: float) -> int:
    """How many rows must be kept for their accuracy to count.

    By the rule of three, n rows without a mistake show, with 95 % certainty, that mistakes are rarer than 3 / n, and no more. With fewer
    rows than this, not even a flawless record would show the accuracy.

    Args:
        accuracy: Below 1.
    """
    return math.ceil(_ERRORS_UNSEEN / (1 - accuracy) - 1e-6)


class _Ranking:
    """Rows by falling confidence, in groups of the same confidence."""

    def __init__(self, confidences_N: Confidences, is_right_N: IsRight) -> None:
        order = np.argsort(-confidences_N, kind="stable")
        ranked_N = confidences_N[order]
        # Rows down to each group.
        self.ends = np.append(np.flatnonzero(ranked_N[1:] != ranked_N[:-1]) + 1, len(ranked_N))
        self.values = ranked_N[self.ends - 1]  # float32, falling.
        self.right = np.cumsum(is_right_N[order])[self.ends - 1]

    def at(self, group: int, min_confidence: float) -> Coverage:
        """The coverage and accuracy of all rows down to a group."""
        return Coverage(
            min_confidence=min_confidence,
            coverage=float(self.ends[group] / self.ends[-1]),
            accuracy=accuracy_of(int(self.right[group]), int(self.ends[group])),
        )


def coverage_curve(confidences_N: Confidences, is_right_N: IsRight) -> list[Coverage]:
    """At most `MAX_POINTS` thresholds, from all rows to few, with about the same number of rows between them.

    Args:
        confidences_N: float32 [N], at least one.
        is_right_N: bool [N].
    """
    ranking = _Ranking(confidences_N, is_right_N)
    wanted = np.linspace(len(confidences_N), 1, MAX_POINTS)
    groups = dict.fromkeys(np.searchsorted(ranking.ends, wanted).tolist())
    return [ranking.at(group, float(ranking.values[group])) for group in groups]


def find_targets(
    accuracies: Sequence[float], confidences_N: Confidences, is_right_N: IsRight, *, temperature: float
) -> list[Target]:
    """For each accuracy the lowest threshold that reaches it and keeps at least `least_rows` rows.

    A threshold lies between two confidences, never at one, so that an engine that rounds differently keeps the same rows. Of the numbers
    between them it is one with the fewest decimals.

    Args:
        accuracies: Each below 1.
        confidences_N: float32 [N], at least one.
        is_right_N: bool [N].
        temperature: Of the confidences; a low one magnifies differences of logits.
    """
    ranking = _Ranking(confidences_N, is_right_N)
    margin = ENGINE_ROUNDING * max(1.0, 1 / temperature)
    return [Target(accuracy=accuracy, reached=_find_reached(ranking, accuracy, margin)) for accuracy in accuracies]


def _find_reached(ranking: _Ranking, accuracy: float, margin: float) -> Coverage | None:
    reaching = (ranking.right / ranking.ends >= accuracy) & (ranking.ends >= least_rows(accuracy))
    for group in np.flatnonzero(reaching)[::-1].tolist():
        above = float(ranking.values[group]) - margin
        below = float(ranking.values[group + 1]) + margin if group + 1 < len(ranking.values) else 0.0
        threshold = _shortest_between(below, above)
        if threshold is not None:
            return ranking.at(group, threshold)
    return None


def _shortest_between(low: float, high: float) -> float | None:
    """The lowest number from low to high with the fewest decimals; None where there is no room for one."""
    for decimals in range(2, 8):
        candidate: float = math.ceil(low * 10**decimals) / 10**decimals
        if low <= candidate <= high:
            return candidate
    return None
