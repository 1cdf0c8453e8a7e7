"""The random split is scikit-learn's, and says what to do where it cannot be made; properties/test_split.py is about the hash split."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.model_selection import train_test_split

from pipeline.building import split as split_module
from pipeline.building.shard_writer import ShardWriter
from pipeline.building.split import HashSplitter, RandomSplitter, make_splitter
from pipeline.dataset.manifest import ShardEntry, SplitEntry
from pipeline.dataset.shards import open_codes, open_labels
from pipeline.errors import InputError
from pipeline.text.alphabet import PROFILES
from tests.building import HASH, RANDOM, numbered_rows

PROFILE = replace(PROFILES["seed"], max_length=3)


def deal(folder: Path, split: SplitEntry, pieces: Iterable[tuple[int, int]], label_of: int = 0) -> dict[str, list[int]]:
    """Deal numbered rows, given as (number, first), and check that codes, labels and rows stay together."""
    writers = [ShardWriter(folder, folder / "scratch", name, PROFILE, 7) for name in ("train", "valid")]
    splitter = make_splitter(split, writers[0], writers[1], folder / "spool", PROFILE)
    for num_rows, first in pieces:
        codes_NL, marks_N, rows = numbered_rows(num_rows, first)
        if label_of:
            marks_N["label"] %= label_of
        order, num_train = splitter.arrange(marks_N["text"])
        if order is not None:
            codes_NL, marks_N, rows = codes_NL[order], marks_N[order], rows.take(order)
        splitter.write(codes_NL, marks_N, rows, num_train)
    splitter.finish([f"class {index}" for index in range(256)])
    return {
        name: [
            row for shard in writer.finish(np.arange(256).astype(np.uint16)) for row in rows_of(folder, shard, label_of)
        ]
        for name, writer in zip(("train", "valid"), writers, strict=True)
    }


def rows_of(folder: Path, shard: ShardEntry, label_of: int) -> list[int]:
    frame = pl.read_parquet(folder / shard.rows)
    records: list[int] = frame["record"].to_list()
    assert [int(text) for text in frame["text"]] == records
    assert open_codes(folder, shard)[:, 0].tolist() == records
    assert open_labels(folder, shard).tolist() == [record % label_of if label_of else record for record in records]
    return records


@pytest.mark.parametrize("stratify", [False, True])
@pytest.mark.parametrize("spool_rows", [3, 65_536])
def test_random_split_is_scikit_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stratify: bool, spool_rows: int
) -> None:
    monkeypatch.setattr(split_module, "SPOOL_ROWS", spool_rows)
    split = replace(RANDOM, stratify=stratify)
    dealt = deal(tmp_path, split, [(20, 0), (1, 20), (79, 21)], label_of=4)

    numbers = np.arange(100)
    train, valid = train_test_split(
        numbers, test_size=0.25, random_state=828, stratify=numbers % 4 if stratify else None
    )
    assert dealt == {"train": train.tolist(), "valid": valid.tolist()}


def test_nothing_held_out(tmp_path: Path) -> None:
    (tmp_path / "hash").mkdir()
    assert deal(tmp_path, replace(RANDOM, valid_fraction=0.0), [(9, 0)]) == {"train": list(range(9)), "valid": []}
    assert deal(tmp_path / "hash", replace(HASH, valid_fraction=0.0), [(9, 0)])["valid"] == []


@pytest.mark.parametrize(("num_rows", "label_of"), [(1, 0), (6, 3)])
def test_too_few_rows_for_a_random_split(tmp_path: Path, num_rows: int, label_of: int) -> None:
    with pytest.raises(InputError, match=r"--split random cannot hold out 0\.25 of .*--split hash"):
        deal(tmp_path, replace(RANDOM, stratify=label_of > 0), [(num_rows, 0)], label_of)


def test_classes_of_one_row_cannot_be_stratified_and_some_are_named(tmp_path: Path) -> None:
    stratify = replace(RANDOM, stratify=True)
    (tmp_path / "many").mkdir()
    with pytest.raises(
        InputError, match=r"^--stratify: there is only 1 row of class 'class 4', expected 2 or more.*; give"
    ):
        deal(tmp_path, stratify, [(9, 0)], label_of=5)
    with pytest.raises(InputError, match=r"1 row of class 'class 0', 'class 1', 'class 2' and 6 more, expected"):
        deal(tmp_path / "many", stratify, [(9, 0)])


def test_hash_split_keeps_the_order_of_the_input(tmp_path: Path) -> None:
    dealt = deal(tmp_path, HASH, [(50, 0), (50, 50)])
    assert dealt["train"] == sorted(dealt["train"])
    assert dealt["valid"] == sorted(dealt["valid"])
    assert sorted(dealt["train"] + dealt["valid"]) == list(range(100))


def test_hash_split_is_this_one(tmp_path: Path) -> None:
    """Appended files keep their side only while this stays."""
    assert deal(tmp_path, HASH, [(40, 0)])["valid"] == [4, 5, 6, 8, 10, 12, 14, 19, 20, 22, 37]


def test_methods_by_name(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, tmp_path / "scratch", "train", PROFILE, 7)
    assert isinstance(make_splitter(HASH, writer, writer, tmp_path / "a", PROFILE), HashSplitter)
    splitter = make_splitter(RANDOM, writer, writer, tmp_path / "b", PROFILE)
    assert isinstance(splitter, RandomSplitter)
    splitter.abandon()
