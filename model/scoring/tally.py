"""The tally of scored rows whose true class is known: what accuracy and macro-F1 are made of, and which rows training had. K classes."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from model.runs.accuracy import Accuracy, accuracy_of
from model.runs.macro_f1 import Counts, macro_f1
from model.runs.training_texts import Flags


@dataclass(frozen=True, kw_only=True, eq=False)
class Tally:
    """Rows counted; tallies can be added.

    Attributes:
        right: int64 [K], rows of each class that were taken for it.
        true: int64 [K], rows of each class.
        predicted: int64 [K], rows that were taken for each class.
        told: Rows of which it can be told whether training had their text.
        seen: Those of them whose text it had.
        unseen_right: Those whose text it had not that are right.
        unseen_kept: Those whose text it had not that do not abstain.
        unseen_kept_right: Of these, those that are right.
    """

    right: Counts
    true: Counts
    predicted: Counts
    told: int
    seen: int
    unseen_right: int
    unseen_kept: int
    unseen_kept_right: int

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})

    @property
    def macro_f1(self) -> float:
        """See `model.runs.macro_f1`."""
        return macro_f1(self.right, self.true, self.predicted)

    @property
    def accuracy_unseen(self) -> Accuracy | None:
        """Of the rows that can be told not to have been in training; None where there is none."""
        return accuracy_of(self.unseen_right, self.told - self.seen) if self.told > self.seen else None

    @property
    def accuracy_kept_unseen(self) -> Accuracy | None:
        """The same of those that do not abstain."""
        return accuracy_of(self.unseen_kept_right, self.unseen_kept) if self.unseen_kept else None


def tally_of(
    true_N: npt.NDArray[Any],
    predicted_N: npt.NDArray[np.int64],
    told_N: Flags,
    seen_N: Flags,
    *,
    abstained_N: Flags,
    num_classes: int,
) -> Tally:
    """Count rows.

    Args:
        true_N: [N], label ids of any integer type.
        predicted_N: int64 [N].
        told_N: bool [N], whether it can be told whether training had a row's text.
        seen_N: bool [N], whether it had.
        abstained_N: bool [N].
        num_classes: K.
    """
    is_right_N, unseen_N = true_N == predicted_N, told_N & ~seen_N
    ids = {"right": predicted_N[is_right_N], "true": true_N, "predicted": predicted_N}
    return Tally(
        **{name: np.bincount(ids_N, minlength=num_classes) for name, ids_N in ids.items()},
        told=int(told_N.sum()),
        seen=int((told_N & seen_N).sum()),
        unseen_right=int((unseen_N & is_right_N).sum()),
        unseen_kept=int((unseen_N & ~abstained_N).sum()),
        unseen_kept_right=int((unseen_N & ~abstained_N & is_right_N).sum()),
    )
