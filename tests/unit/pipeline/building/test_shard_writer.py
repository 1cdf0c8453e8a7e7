"""Shards are cut at shard_rows however the rows come, hold the same rows in three files, and can be gone on with."""

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.building.shard_writer import ShardWriter
from pipeline.dataset.manifest import FILE_KINDS
from pipeline.dataset.shards import open_codes, open_labels
from pipeline.text.alphabet import PROFILES
from tests.building import numbered_rows

PROFILE = replace(PROFILES["seed"], max_length=3)


def test_shards_are_cut_at_shard_rows_however_the_rows_come(tmp_path: Path) -> None:
    stored = []
    for piece in (1, 4, 5, 100):
        folder = tmp_path / str(piece)
        folder.mkdir()
        writer = ShardWriter(folder, tmp_path / "scratch", "train", PROFILE, 5)
        for first in range(0, 12, piece):
            writer.write(*numbered_rows(min(piece, 12 - first), first))
        shards = writer.finish(np.arange(12).astype(np.uint16))
        assert [shard.num_rows for shard in shards] == [5, 5, 2]
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            f"train-0000{number}.{ending}" for number in range(3) for ending in FILE_KINDS.values()
        )
        stored.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert stored.count(stored[0]) == 4


def test_the_three_files_hold_the_same_rows_and_the_labels_their_final_ids(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, tmp_path / "scratch", "valid", PROFILE, 2)
    writer.write(*numbered_rows(3))
    shards = writer.finish(np.array([2, 0, 1], np.uint16))

    assert [open_codes(tmp_path, shard)[:, 0].tolist() for shard in shards] == [[0, 1], [2]]
    assert [open_labels(tmp_path, shard).tolist() for shard in shards] == [[2, 0], [1]]
    assert [pl.read_parquet(tmp_path / shard.rows)["text"].to_list() for shard in shards] == [["0", "1"], ["2"]]


@pytest.mark.parametrize("rows_again", range(11))
def test_a_writer_goes_on_behind_what_was_finished(tmp_path: Path, rows_again: int) -> None:
    """However many of the rows come again that finished shards hold; here two shards hold 10 of 13."""
    folder, scratch = tmp_path / "shards", tmp_path / "scratch"
    folder.mkdir()
    ids = np.arange(17).astype(np.uint16)
    killed = ShardWriter(folder, scratch, "train", PROFILE, 5)
    killed.write(*numbered_rows(13))
    killed.abandon()
    inode = (folder / "train-00001.codes.npy").stat().st_ino
    writer = ShardWriter(folder, scratch, "train", PROFILE, 5, finished=killed.finished, num_dealt=10 - rows_again)
    for first in range(10 - rows_again, 17, 3):
        writer.write(*numbered_rows(min(3, 17 - first), first))
    shards = writer.finish(ids)
    assert [open_codes(folder, shard)[:, 0].tolist() for shard in shards] == [
        list(range(5)),
        list(range(5, 10)),
        list(range(10, 15)),
        [15, 16],
    ]
    assert [label for shard in shards for label in open_labels(folder, shard)] == list(range(17))
    assert writer.num_dealt == 17
    assert (folder / "train-00001.codes.npy").stat().st_ino == inode


def test_shards_may_begin_at_any_number(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, tmp_path / "scratch", "valid", PROFILE, 2, first_shard=7)
    writer.write(*numbered_rows(3))
    shards = writer.finish(np.arange(3).astype(np.uint16))
    assert [shard.codes for shard in shards] == ["valid-00007.codes.npy", "valid-00008.codes.npy"]


def test_no_rows_no_shards(tmp_path: Path) -> None:
    assert ShardWriter(tmp_path, tmp_path / "scratch", "valid", PROFILE, 2).finish(np.empty(0, np.uint16)) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("max_closing", [0, 1])
def test_what_fails_while_a_shard_is_closed_reaches_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_closing: int
) -> None:
    def full(path: Path) -> str:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("pipeline.building.shard_writer.sha256_of", full)
    writer = ShardWriter(tmp_path, tmp_path / "scratch", "train", PROFILE, 5, max_closing=max_closing)
    rows = numbered_rows(100)
    with pytest.raises(OSError, match="no space left"):
        writer.write(*rows)
    writer.abandon()
    assert writer.finished == []
