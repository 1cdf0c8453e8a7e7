"""Label ids: handed out in order of appearance while a file streams by, sorted at the end. May be imported by the encode job."""

import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from pipeline.errors import InputError
from pipeline.shards import LabelIds

MAX_LABELS = 1 << 16
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


class LabelIndex:
    """Gives each label an id.

    Args:
        labels: Those that have one already, by id.
    """

    def __init__(self, labels: Sequence[str] = ()) -> None:
        self._ids = {label: index for index, label in enumerate(labels)}

    @property
    def labels(self) -> list[str]:
        """All so far, by provisional id."""
        return list(self._ids)

    def ids(self, labels: pl.Series) -> LabelIds:
        """The provisional ids of labels, uint16 [N], owned by the caller.

        Args:
            labels: String [N], no nulls.

        Raises:
            InputError: There are more labels than ids.
        """
        for label in labels.unique(maintain_order=True):
            self._ids.setdefault(label, len(self._ids))
        if len(self._ids) > MAX_LABELS:
            raise InputError(f"there are more than {MAX_LABELS:,} different labels; is --label the right column?")
        return labels.replace_strict(self._ids, return_dtype=pl.UInt16).to_numpy().copy()

    def finish(self, *, in_order: bool = False) -> tuple[list[str], LabelIds]:
        """The labels in their final order, and the final id of each provisional one, uint16 [K].

        Args:
            in_order: They are in their final order already.
        """
        ordered = self.labels if in_order else sort_labels(self._ids)
        final = {label: index for index, label in enumerate(ordered)}
        return ordered, np.array([final[label] for label in self._ids], np.uint16)


def sort_labels(labels: dict[str, int] | list[str]) -> list[str]:
    """Sort by number where all labels are whole numbers, else by text."""
    if all(_WHOLE_NUMBER.fullmatch(label) for label in labels):
        return sorted(labels, key=lambda label: (int(label), label))
    return sorted(labels)
