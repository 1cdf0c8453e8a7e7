"""ShardDataset: batches are copies of the rows they should be, and a state is taken up only where it belongs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.batches.shard_dataset import ShardDataset
from pipeline.dataset.manifest import Manifest
from pipeline.dataset.shards import open_codes
from pipeline.errors import MismatchError
from tests.building import numbered_dataset

SIZES = [5, 1, 4]


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return numbered_dataset(tmp_path, SIZES)


def dataset(folder: Path, manifest: Manifest, **changes: Any) -> ShardDataset:
    return ShardDataset(folder, manifest, **{"split": "train", "batch_size": 4, "seed": 1, **changes})


@pytest.mark.parametrize("sizes", [SIZES, [10]])
def test_batches_are_writable_copies(tmp_path: Path, sizes: list[int]) -> None:
    manifest = numbered_dataset(tmp_path, sizes)
    for _ in range(2):
        batches = list(dataset(tmp_path, manifest))
        assert [batch[0].shape for batch in batches] == [(4, 3), (4, 3), (2, 3)]
        assert [batch[1].tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        for codes_BL, label_ids in batches:
            assert (codes_BL.dtype, label_ids.dtype) == (torch.uint8, torch.int64)
            assert codes_BL.tolist() == [[label_id] * 3 for label_id in label_ids.tolist()]
            assert codes_BL.is_contiguous()
            codes_BL.fill_(255)  # Were it a view of the map, this would crash or show the second time round.
            label_ids.fill_(-1)
    assert open_codes(tmp_path, manifest.shards[0])[0].tolist() == [0, 0, 0]


def test_the_other_split_is_left_alone(tmp_path: Path, manifest: Manifest) -> None:
    held_out = dataset(tmp_path, manifest, split="valid")
    assert (len(held_out), list(held_out)) == (0, [])


@pytest.mark.parametrize("num_rows", [0, 1])
def test_one_row_and_none(tmp_path: Path, num_rows: int) -> None:
    manifest = numbered_dataset(tmp_path, [num_rows])
    few = dataset(tmp_path, manifest, shuffle=True)
    assert len(few) == len(list(few)) == num_rows


@pytest.mark.parametrize(("limit", "expected"), [(0, 3), (1, 1), (2, 2), (3, 3), (99, 3)])
def test_limit_batches(tmp_path: Path, manifest: Manifest, limit: int, expected: int) -> None:
    limited = dataset(tmp_path, manifest, limit_batches=limit)
    batches = [batch[1].tolist() for batch in limited]
    assert len(limited) == len(batches) == expected
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]][:expected]


def test_limit_is_each_ranks_own(tmp_path: Path, manifest: Manifest) -> None:
    ranks = [dataset(tmp_path, manifest, batch_size=1, limit_batches=2, rank=rank, num_ranks=3) for rank in range(3)]
    assert [[batch[1].item() for batch in rank] for rank in ranks] == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("batch_size", {"batch_size": 5}),
        ("seed", {"seed": 2}),
        ("shuffle", {"shuffle": True}),
        ("limit_batches", {"limit_batches": 1}),
        ("num_ranks", {"num_ranks": 2}),
    ],
)
def test_a_state_of_another_order_is_refused(
    tmp_path: Path, manifest: Manifest, field: str, change: dict[str, Any]
) -> None:
    state = dataset(tmp_path, manifest, **change).state_dict()
    with pytest.raises(MismatchError, match=f"{field} was .*, now it is"):
        dataset(tmp_path, manifest).load_state_dict(state)


def test_a_state_of_another_dataset_is_refused(tmp_path: Path, manifest: Manifest) -> None:
    state = dataset(tmp_path, replace(manifest, labels=["b"])).state_dict()
    mine = dataset(tmp_path, manifest)
    with pytest.raises(MismatchError, match="fingerprint was"):
        mine.load_state_dict(state)
    with pytest.raises(MismatchError, match="version was None"):
        mine.load_state_dict({})
    assert (mine.epoch, mine.delivered) == (0, 0)
