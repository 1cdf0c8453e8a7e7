"""Texts that training had are told from others, all of them or a fair sample; a damaged file is refused."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from model.runs.model_file import read_model
from model.runs.training_texts import TrainingTexts, read_training_texts
from pipeline.dataset.manifest import read_manifest
from pipeline.errors import InputError
from pipeline.inspection.text_hashes import smallest_hashes
from tests.datasets import make_dataset, shared_dataset, shared_run


def texts_of(dataset: Path, split: str) -> pa.LargeStringArray:
    shards = [shard for shard in read_manifest(dataset).shards if shard.split == split]
    texts = [text for shard in shards for text in pl.read_parquet(dataset / shard.rows)["text"]]
    return pa.array(texts, pa.large_string())


def test_a_run_knows_its_training_texts_and_no_others() -> None:
    texts = read_training_texts(shared_run(), read_model(shared_run()))
    assert not texts.is_sample
    for split in ("train", "valid"):
        told, seen = texts.look_up(texts_of(shared_dataset(), split))
        assert told.all()
        assert (seen == (split == "train")).all()
    assert texts.look_up(pa.array([], pa.large_string()))[1].tolist() == []


@pytest.mark.parametrize("split_seed", [0, 828])
def test_of_too_many_texts_the_smallest_hashes_are_a_fair_sample(tmp_path: Path, split_seed: int) -> None:
    dataset = make_dataset(tmp_path, 4000, valid_fraction=0.25, split_seed=split_seed)
    manifest = read_manifest(dataset)
    whole = smallest_hashes(dataset, manifest, 10**6)
    assert len(whole) == manifest.num_rows("train")
    texts = TrainingTexts(smallest_hashes(dataset, manifest, 600), 600)
    assert texts.is_sample
    np.testing.assert_array_equal(texts.hashes, whole[:600])
    told_train, seen_train = texts.look_up(texts_of(dataset, "train"))
    told_valid, seen_valid = texts.look_up(texts_of(dataset, "valid"))
    assert (seen_train == told_train).all()
    assert told_train.sum() == 600
    assert not seen_valid.any()
    assert told_valid.mean() == pytest.approx(told_train.mean(), abs=0.06)


def test_a_text_that_comes_twice_is_kept_once(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, 50, valid_fraction=0.5)
    manifest = read_manifest(dataset)
    again = make_dataset(tmp_path / "again", 50, valid_fraction=0.5, shard_rows=7)
    hashes = smallest_hashes(dataset, manifest, 9)
    np.testing.assert_array_equal(hashes, smallest_hashes(again, read_manifest(again), 9))
    assert (np.diff(hashes) > 0).all()


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    run = Path(shutil.copytree(shared_run(), tmp_path / "run"))
    path = run / "training_texts.npy"
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(InputError, match=r"training_texts\.npy: the hashes .*(missing|corrupt).*; copy the run again"):
        read_training_texts(run, read_model(run))
