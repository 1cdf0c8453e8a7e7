"""Accuracies as they are told: never without the rows that they were measured on and how far chance could have moved them."""

import math
from typing import Annotated

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]

_NORMAL_QUANTILE = 1.959963984540054  # Of 97.5 %, since 2.5 % are left out at either end.
_NARROW = 0.002


class Accuracy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The share of rows that are right, with its 95 % interval.

    Attributes:
        share: Of the rows.
        low: Where the interval begins.
        high: Where it ends.
        rows: How many there are, at least one.
    """

    share: Share
    low: Share
    high: Share
    rows: Annotated[int, Meta(ge=1)]

    def __post_init__(self) -> None:
        if not self.low <= self.share <= self.high:
            raise ValueError(f"{self.low} to {self.high}: expected an interval around {self.share}")

    @property
    def interval(self) -> str:
        """The interval in percent, as ``86.3 to 88.1``, with a second decimal where it is narrow."""
        digits = 1 if self.high - self.low >= _NARROW else 2
        return f"{100 * self.low:.{digits}f} to {100 * self.high:.{digits}f}"

    def __str__(self) -> str:
        """As ``87.22% (86.3 to 88.1, 5,103 rows)``."""
        return f"{self.share:.2%} ({self.interval}, {self.rows:,} {'row' if self.rows == 1 else 'rows'})"


def accuracy_of(num_right: int, num_rows: int) -> Accuracy:
    """An accuracy with its 95 % interval after Wilson (1927), which holds for few rows and shares near 0 and 1 as well.

    It tells how far other rows of the same kind could lead, were they drawn one by one. It knows nothing of rows of another kind.

    Args:
        num_right: Rows that are right.
        num_rows: All rows, at least one.
    """
    share, squared = num_right / num_rows, _NORMAL_QUANTILE**2
    centre = (share + squared / (2 * num_rows)) / (1 + squared / num_rows)
    half = math.sqrt(share * (1 - share) / num_rows + squared / (4 * num_rows**2))
    half *= _NORMAL_QUANTILE / (1 + squared / num_rows)
    low, high = max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))
    return Accuracy(share=share, low=low, high=high, rows=num_rows)
