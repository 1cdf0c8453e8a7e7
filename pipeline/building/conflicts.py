"""Conflicts: texts with more than one label, told by the hashes of the texts.

Hashes have 64 bits: between ten million rows of a dataset and a million new ones, the chance that any two different texts are taken for
one is 1 in 1.8 million. They are the hashes by which rows are held out, so a plain encode computes none for this. All rows are looked
through at once, or where there are many, in passes over a part of the hashes each.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.building.labels import LocalLabels
from pipeline.building.shard_writer import MARK, Change, Marks
from pipeline.dataset.manifest import Manifest, ShardEntry
from pipeline.dataset.row_texts import read_rows
from pipeline.dataset.shards import LabelIds, open_labels
from pipeline.inspection.duplicate_kernel import find_slots
from pipeline.text.encode_kernel import Hashes
from pipeline.text.encoder import hash_texts

OnConflict = Literal["both", "keep", "replace"]
"""Where a text is in the dataset with another label: take both rows, keep the old one, or let the label that came last hold for all."""

PASS_ROWS = 1 << 22
"""Rows in a pass, which takes 49 to 62 bytes of memory for each, 250 MiB in all (tracemalloc)."""

_ABSENT, _SEVERAL = -1, -2


@dataclass(kw_only=True)
class Conflicts:
    """What was found.

    Attributes:
        texts: Of the new rows, those that the dataset has with another label.
        texts_in_files: Of the new rows, those that have several labels among the new rows.
        rows_repeated: New rows whose text came before, in the dataset or among them.
        rows_relabelled: Rows, old and new, that were given the label that came last.
        rows_settled: Those of them whose text is in no new row: conflicts that the dataset had before.
        example: One of the new rows with a conflict, with the dataset where there is one, by its number among them.
        changes: For each file of marks, what `replace` changes.
    """

    texts: int = 0
    texts_in_files: int = 0
    rows_repeated: int = 0
    rows_relabelled: int = 0
    rows_settled: int = 0
    example: int | None = None
    changes: list[Change | None] = field(default_factory=list)


def write_marks(folder: Path, manifest: Manifest, scratch: Path, num_threads: int) -> list[Path]:
    """Write the marks of a dataset's rows, a file for each shard; not durably, since the next run makes them anew.

    Args:
        folder: The dataset.
        manifest: Its manifest.
        scratch: Where to.
        num_threads: Shards are read side by side in so many threads.
    """
    scratch.mkdir(exist_ok=True)
    with ThreadPoolExecutor(num_threads, thread_name_prefix="charmill-marks") as pool:
        return list(pool.map(partial(_write_marks, folder, scratch, manifest.split.seed), manifest.shards))


def _write_marks(folder: Path, scratch: Path, seed: int, shard: ShardEntry) -> Path:
    marks_N = np.empty(shard.num_rows, MARK)
    marks_N["label"] = open_labels(folder, shard)
    start = 0
    for table in read_rows(folder, [shard], np.arange(shard.num_rows), ["text"]):
        marks_N["text"][start : start + len(table)] = hash_texts(table["text"].combine_chunks(), seed)
        start += len(table)
    path = scratch / f"base-{shard.labels}"
    np.save(path, marks_N)
    return path


def find_conflicts(old: Sequence[Path], new: Sequence[Path], *, replaces: bool) -> Conflicts:
    """Compare the labels of equal texts.

    Args:
        old: Files of marks of the dataset's rows. Rows of one text come in the order in which they came to the dataset.
        new: Likewise of the new rows.
        replaces: Let the label that came last hold for every row of a text.
    """
    marks = [np.load(path, mmap_mode="r") for path in (*old, *new)]
    starts = np.cumsum([0, *map(len, marks)])
    num_old, num_rows = int(starts[len(old)]), int(starts[-1])
    found = Conflicts()
    changed: list[Change] = []
    num_passes = -(-num_rows // PASS_ROWS)
    for part in range(num_passes):
        rows, hashes, label_ids = _part(marks, starts, part, num_passes)
        last_ids, is_new = _compare(rows, hashes, label_ids, num_old, found)
        if replaces:
            is_other = label_ids != last_ids
            changed.append(Change(rows[is_other], last_ids[is_other]))
            found.rows_settled += int(np.count_nonzero(is_other & ~is_new))
    found.rows_relabelled = sum(len(change.rows) for change in changed)
    found.changes = list(_by_file(changed, starts)) if found.rows_relabelled else [None] * len(marks)
    return found


def _part(
    marks: Sequence[Marks], starts: npt.NDArray[np.int64], part: int, num_parts: int
) -> tuple[npt.NDArray[np.int64], Hashes, LabelIds]:
    """The rows of a part of the hashes, with their hashes, never 0, and labels."""
    rows, chosen = np.arange(starts[-1]), list(marks)
    if num_parts > 1:
        indices = [np.flatnonzero(each["text"] % np.uint64(num_parts) == part) for each in marks]
        rows = np.concatenate([index + start for index, start in zip(indices, starts, strict=False)])
        chosen = [each[index] for each, index in zip(marks, indices, strict=True)]
    hashes = np.concatenate([each["text"] for each in chosen])
    return rows, np.maximum(hashes, np.uint64(1), out=hashes), np.concatenate([each["label"] for each in chosen])


def _compare(
    rows: npt.NDArray[np.int64], hashes: Hashes, label_ids: LabelIds, first_new: int, found: Conflicts
) -> tuple[LabelIds, npt.NDArray[np.bool_]]:
    """Count the conflicts of some rows, numbered through all marks.

    Returns:
        last_ids: uint16 [N], the last label of each row's text.
        is_new: bool [N], whether a new row has the row's text.
    """
    num_old = int(np.searchsorted(rows, first_new))
    table = np.zeros(1 << (len(hashes) * 3 // 2).bit_length(), np.uint64)
    slots = np.empty(len(hashes), np.uint64)
    old, new = slice(num_old), slice(num_old, None)
    find_slots(hashes[old], table, True, slots[old])
    num_known = np.count_nonzero(table) if num_old else 0
    find_slots(hashes[new], table, True, slots[new])
    found.rows_repeated += len(hashes) - num_old - int(np.count_nonzero(table) - num_known)
    last = np.empty(len(table), np.uint16)  # Of equal indices the last one is assigned.
    last[slots] = label_ids
    is_conflict = last[slots[new]] != label_ids[new]
    found.texts_in_files += len(np.unique(slots[new][is_conflict]))
    _name_example(rows[new][is_conflict], found, first_new, is_better=False)
    if num_old:
        known = np.full(len(table), _ABSENT, np.int32)
        known[slots[old]] = label_ids[old]
        known[slots[old][known[slots[old]] != label_ids[old]]] = _SEVERAL
        before = known[slots[new]]
        is_conflict = (before != _ABSENT) & (before != label_ids[new])
        _name_example(rows[new][is_conflict], found, first_new, is_better=not found.texts)
        found.texts += len(np.unique(slots[new][is_conflict]))
    in_new = np.zeros(len(table), np.bool_)
    in_new[slots[new]] = True
    return last[slots], in_new[slots]


def _name_example(rows: npt.NDArray[np.int64], found: Conflicts, first_new: int, *, is_better: bool) -> None:
    if len(rows) and (is_better or found.example is None):
        found.example = int(rows[0]) - first_new


def _by_file(changes: Sequence[Change], starts: npt.NDArray[np.int64]) -> Iterator[Change | None]:
    """Deal changes of rows, numbered through all files, to the files."""
    rows = np.concatenate([change.rows for change in changes])
    label_ids = np.concatenate([change.label_ids for change in changes])
    order = np.argsort(rows)
    rows, label_ids = rows[order], label_ids[order]
    bounds = np.searchsorted(rows, starts)
    for begin, end, start in zip(bounds, bounds[1:], starts, strict=False):
        yield Change(rows[begin:end] - start, label_ids[begin:end]) if begin < end else None


class KnownTexts:
    """The labels of a dataset's texts, to look up those of new rows: 12 bytes of memory for each text, 52 while it is made (tracemalloc).

    Args:
        marks: Files of marks of the dataset's rows.
        labels: The dataset's.
    """

    def __init__(self, marks: Sequence[Path], labels: Sequence[str]) -> None:
        rows = np.concatenate([np.empty(0, MARK), *map(np.load, marks)])
        order = np.argsort(rows["text"], kind="stable")
        self._hashes = rows["text"][order]
        self._label_ids = rows["label"][order].astype(np.int32)
        is_first = np.ones(len(order), np.bool_)
        is_first[1:] = self._hashes[1:] != self._hashes[:-1]
        is_other = ~is_first
        is_other[1:] &= self._label_ids[1:] != self._label_ids[:-1]
        places = np.cumsum(is_first) - 1
        self._hashes, self._label_ids = self._hashes[is_first], self._label_ids[is_first]
        self._label_ids[places[is_other]] = _SEVERAL
        self._ids = {label: index for index, label in enumerate(labels)}

    def conflicting(self, hashes_N: Hashes, labels: LocalLabels) -> npt.NDArray[np.bool_]:
        """Which rows have a text that is known with another label, bool [N].

        Args:
            hashes_N: Of the rows' texts, uint64 [N].
            labels: Of the rows.
        """
        if not len(self._hashes):
            return np.zeros(len(hashes_N), np.bool_)
        label_ids = np.array([self._ids.get(name, _ABSENT) for name in labels.names], np.int32)[labels.ids]
        places = np.minimum(np.searchsorted(self._hashes, hashes_N), len(self._hashes) - 1)
        is_conflict: npt.NDArray[np.bool_] = (self._hashes[places] == hashes_N) & (self._label_ids[places] != label_ids)
        return is_conflict
