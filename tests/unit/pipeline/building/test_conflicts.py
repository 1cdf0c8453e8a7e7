"""Conflicts are those that a dictionary of texts finds, in one pass or in many."""

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.building import conflicts
from pipeline.building.conflicts import KnownTexts, find_conflicts, write_marks
from pipeline.building.labels import local_labels
from pipeline.building.shard_writer import MARK
from pipeline.text.encoder import hash_texts, to_strings
from tests.building import HASH, build
from tests.datasets import write_csv
from tests.strategies import SOME

Rows = list[tuple[int, int]]
"""Texts, and label ids."""

ROWS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 3)), max_size=30)
LABELS = ["a", "b", "c", "d"]


def write(folder: Path, name: str, rows: Rows, cut: int) -> list[Path]:
    """Two files of marks."""
    paths = [folder / f"{name}{number}.npy" for number in range(2)]
    for path, part in zip(paths, (rows[:cut], rows[cut:]), strict=True):
        np.save(path, np.array([(label_id, text << 61) for text, label_id in part], MARK))
    return paths


def labels_of(rows: Rows) -> dict[int, set[int]]:
    labels: dict[int, set[int]] = {}
    for text, label_id in rows:
        labels.setdefault(text, set()).add(label_id)
    return labels


@SOME
@given(old=ROWS, new=ROWS, cut=st.integers(0, 30), pass_rows=st.sampled_from([1, 5, 1000]), replaces=st.booleans())
def test_what_is_found_is_what_a_dictionary_finds(
    old: Rows, new: Rows, cut: int, pass_rows: int, replaces: bool
) -> None:
    known, among, last = labels_of(old), labels_of(new), dict([*old, *new])
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(conflicts, "PASS_ROWS", pass_rows)
        paths = [write(Path(name), "old", old, cut), write(Path(name), "new", new, cut)]
        found = find_conflicts(*paths, replaces=replaces)
        marks = [np.load(path) for path in (*paths[0], *paths[1])]
    in_dataset = {text for text, label in new if text in known and known[text] != {label}}
    in_files = {text for text in among if len(among[text]) > 1}
    assert (found.texts, found.texts_in_files) == (len(in_dataset), len(in_files))
    assert found.rows_repeated == len(new) - len(among.keys() - known.keys())
    assert (found.example is None) == (not in_dataset and not in_files)
    assert found.example is None or new[found.example][0] in (in_dataset or in_files)
    for part, change in zip(marks, found.changes, strict=True):
        if change is not None:
            assert len(change.rows)
            part["label"][change.rows] = change.label_ids
    labels = np.concatenate(marks)["label"].tolist()
    rows = [*old, *new]
    assert labels == ([last[text] for text, _ in rows] if replaces else [label for _, label in rows])
    changed = [text for a, (text, b) in zip(labels, rows, strict=True) if a != b]
    assert (found.rows_relabelled, found.rows_settled) == (len(changed), sum(text not in among for text in changed))


@SOME
@given(old=ROWS, new=st.lists(st.tuples(st.integers(0, 7), st.sampled_from([*LABELS, "new"])), max_size=30))
def test_rows_that_conflict_with_known_ones(old: Rows, new: list[tuple[int, str]]) -> None:
    known = labels_of(old)
    with tempfile.TemporaryDirectory() as name:
        texts = KnownTexts(write(Path(name), "old", old, 3), LABELS)
    hashes = np.array([text << 61 for text, _ in new], np.uint64)
    found = texts.conflicting(hashes, local_labels(pl.Series([label for _, label in new], dtype=pl.String)))
    assert found.tolist() == [
        text in known and {LABELS[each] for each in known[text]} != {label} for text, label in new
    ]


@pytest.mark.parametrize("num_threads", [1, 3])
def test_marks_of_a_dataset_are_its_labels_and_the_hashes_of_its_texts(tmp_path: Path, num_threads: int) -> None:
    csv = write_csv(tmp_path / "a.csv", [(f"c{row % 3}", f"text {row % 7}") for row in range(40)], "label,text")
    folder, manifest = build(tmp_path / "built", [csv])
    paths = write_marks(folder, manifest, tmp_path / "marks", num_threads)
    assert len(paths) == len(manifest.shards) > 3
    rows = [(manifest.labels[label_id], text) for label_id, text in np.concatenate([*map(np.load, paths)]).tolist()]
    hashes = hash_texts(to_strings(pl.Series([f"text {row}" for row in range(7)])), HASH.seed).tolist()
    assert sorted(rows) == sorted((f"c{row % 3}", hashes[row % 7]) for row in range(40))
