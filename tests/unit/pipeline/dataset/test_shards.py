"""Shards: npy files as numpy itself writes them, cut at shard_rows, and no damaged file goes unnoticed."""

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.building.shard_writer import ShardWriter
from pipeline.dataset.manifest import FILE_KINDS, Manifest
from pipeline.dataset.shards import open_codes, open_labels, verify_shards
from pipeline.errors import InputError
from pipeline.storage.npy import NpyWriter
from pipeline.text.alphabet import PROFILES
from tests.building import numbered_dataset, numbered_rows

PROFILE = replace(PROFILES["seed"], max_length=3)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.uint8).reshape(4, 3),
        np.arange(1000, dtype=np.uint16),
        np.empty((0, 64), np.uint8),
        np.empty(0, np.uint16),
        np.asfortranarray(np.arange(12, dtype=np.uint8).reshape(4, 3)),
        np.arange(40, dtype=np.uint8).reshape(4, 10)[:, ::2],
    ],
)
@pytest.mark.parametrize("piece", [1, 3, 10_000])
def test_npy_file_equals_numpys_own(tmp_path: Path, array: np.ndarray[Any, Any], piece: int) -> None:
    writer = NpyWriter(tmp_path / "ours.npy", array.dtype, array.shape[1:])
    for start in range(0, max(len(array), 1), piece):
        writer.write(array[start : start + piece])
    writer.close()
    np.save(tmp_path / "numpys.npy", np.ascontiguousarray(array))

    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "numpys.npy").read_bytes()


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


def test_maps_are_read_only(tmp_path: Path) -> None:
    (shard,) = numbered_dataset(tmp_path, [3]).shards
    for mapped in (open_codes(tmp_path, shard), open_labels(tmp_path, shard)):
        assert isinstance(mapped, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            mapped[0] = 1


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    made = numbered_dataset(tmp_path, [3, 2])
    verify_shards(tmp_path, made)
    return made


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_one_altered_bit_is_noticed(tmp_path: Path, manifest: Manifest, kind: str) -> None:
    path = tmp_path / getattr(manifest.shards[1], kind)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="expected SHA-256") as caught:
        verify_shards(tmp_path, manifest)
    assert caught.value.path == path


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_a_cut_off_or_missing_file_is_noticed(tmp_path: Path, manifest: Manifest, kind: str) -> None:
    path = tmp_path / getattr(manifest.shards[0], kind)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=f"expected {size:,} bytes, got {size - 1:,}"):
        verify_shards(tmp_path, manifest)
    path.unlink()
    with pytest.raises(InputError, match="expected a file, got none"):
        verify_shards(tmp_path, manifest)


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
