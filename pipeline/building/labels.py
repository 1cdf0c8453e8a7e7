"""Label ids: handed out in order of appearance while files stream by, those of new labels sorted at the end."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.dataset.shards import LabelIds
from pipeline.errors import InputError

MAX_LABELS = 1 << 16
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True)
class LocalLabels:
    """The labels of some rows.

    Attributes:
        names: Each once, in the order of appearance.
        ids: int32 [N], indices into names.
    """

    names: list[str]
    ids: npt.NDArray[np.int32]

    def take(self, order: npt.NDArray[np.int64]) -> "LocalLabels":
        """The same rows in another order."""
        return LocalLabels(self.names, self.ids[order])


def local_labels(labels: pl.Series) -> LocalLabels:
    """Number the labels of some rows, String [N], no nulls."""
    encoded = labels.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
    return LocalLabels(encoded.dictionary.to_pylist(), encoded.indices.to_numpy())


class LabelIndex:
    """Gives each label an id.

    Args:
        labels: Those that have one already, by id. The first ones of them are final.
        num_final: So many of them.
    """

    def __init__(self, labels: Sequence[str] = (), num_final: int = 0) -> None:
        self._num_final = num_final
        self._ids = {label: index for index, label in enumerate(labels)}

    @property
    def labels(self) -> list[str]:
        """All so far, by provisional id."""
        return list(self._ids)

    def ids(self, labels: LocalLabels) -> LabelIds:
        """The provisional ids of labels, uint16 [N], owned by the caller.

        Args:
            labels: Of N rows.

        Raises:
            InputError: There are more labels than ids.
        """
        provisional = [self._ids.setdefault(name, len(self._ids)) for name in labels.names]
        if len(self._ids) > MAX_LABELS:
            raise InputError(f"there are more than {MAX_LABELS:,} different labels, and a dataset can have no more")
        return np.array(provisional, np.uint16)[labels.ids]

    def finish(self, label_names: Mapping[str, str]) -> tuple[list[str], LabelIds]:
        """The labels in their final order, and the final id of each provisional one, uint16 [K].

        Args:
            label_names: What files call a label, and what it is called here. Labels are sorted by the former, so that names change no id.
        """
        labels = self.labels
        ordered = [*labels[: self._num_final], *sort_labels(labels[self._num_final :], label_names)]
        final = {label: index for index, label in enumerate(ordered)}
        return ordered, np.array([final[label] for label in self._ids], np.uint16)


def sort_labels(labels: Iterable[str], label_names: Mapping[str, str]) -> list[str]:
    """Sort by number where all labels are whole numbers in files, else by text."""
    in_files = {name: label for label, name in label_names.items()}
    by_file = {in_files.get(label, label): label for label in labels}
    if all(map(_WHOLE_NUMBER.fullmatch, by_file)):
        return [by_file[label] for label in sorted(by_file, key=lambda label: (int(label), label))]
    return [by_file[label] for label in sorted(by_file)]
