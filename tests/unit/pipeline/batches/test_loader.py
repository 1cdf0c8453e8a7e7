"""The loader with real threads and worker processes; tests/properties/test_order.py holds its promises without them."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.batches.loader import BatchLoader
from pipeline.batches.order import epoch_batches
from pipeline.batches.shard_dataset import GATHERED_ROWS, ShardDataset
from pipeline.errors import UsageError
from tests.building import numbered_dataset

CPU = torch.device("cpu")


def test_spawned_workers_deliver_the_same_and_resume_in_the_middle(tmp_path: Path) -> None:
    manifest = numbered_dataset(tmp_path, [7, 6])

    def dataset() -> ShardDataset:
        return ShardDataset(tmp_path, manifest, "train", batch_size=3, seed=5, shuffle=True)

    alone = [batch[1].tolist() for batch in BatchLoader(dataset(), CPU)]
    worked = BatchLoader(dataset(), CPU, num_workers=2)
    first = next(iter(worked))
    state = worked.dataset.state_dict()
    rest = list(worked)
    assert state["delivered"] == 1  # Of more that were read ahead.
    assert [batch[1].tolist() for batch in [first, *rest]] == alone
    assert all(codes[:, 0].tolist() == label_ids.tolist() for codes, label_ids in [first, *rest])
    assert (worked.dataset.epoch, worked.dataset.delivered) == (1, 0)


def test_an_epoch_that_is_left_goes_on_where_it_was(tmp_path: Path) -> None:
    manifest = numbered_dataset(tmp_path, [4])
    loader = BatchLoader(ShardDataset(tmp_path, manifest, "train", batch_size=1), CPU)
    for batch in loader:
        if batch[1].item() == 1:
            break
    assert [batch[1].item() for batch in loader] == [2, 3]
    assert [batch[1].item() for batch in loader] == [0, 1, 2, 3]


def test_loading_leaves_no_trace_in_torchs_random_state(tmp_path: Path) -> None:
    manifest = numbered_dataset(tmp_path, [4])
    before = torch.random.get_rng_state()
    list(BatchLoader(ShardDataset(tmp_path, manifest, "train", batch_size=1, shuffle=True), CPU))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("limit", [0, 4])
@pytest.mark.parametrize("batch_size", [GATHERED_ROWS + 1, GATHERED_ROWS, GATHERED_ROWS // 3, 999])
def test_batches_that_are_gathered_together_are_those_of_the_order(batch_size: int, limit: int, tmp_path: Path) -> None:
    sizes = [14_000, 1, 11_000]
    manifest = numbered_dataset(tmp_path, sizes)
    order: dict[str, Any] = {"batch_size": batch_size, "shuffle": True}
    dataset = ShardDataset(tmp_path, manifest, "train", seed=5, limit_batches=limit, **order)
    batches = [batch[1].tolist() for batch in BatchLoader(dataset, CPU)]
    assert batches == [rows.tolist() for rows in epoch_batches(sizes, 5, 0, **order)][: limit or None]


def test_what_was_read_ahead_is_not_delivered(tmp_path: Path) -> None:
    manifest = numbered_dataset(tmp_path, [9])
    dataset = ShardDataset(tmp_path, manifest, "train", batch_size=2, seed=1, shuffle=True)
    loader = BatchLoader(dataset, CPU)
    whole = [batch[1].tolist() for batch in loader]
    dataset.load_state_dict(dataset.state_dict() | {"epoch": 0})
    for number, _ in enumerate(loader):
        state = dataset.state_dict()
        assert state["delivered"] == number + 1
        again = ShardDataset(tmp_path, manifest, "train", batch_size=2, seed=1, shuffle=True)
        again.load_state_dict(state)
        assert [batch[1].tolist() for batch in BatchLoader(again, CPU)] == whole[number + 1 :]


def test_an_error_of_the_reader_reaches_the_consumer_and_no_thread_is_left(tmp_path: Path) -> None:
    manifest = numbered_dataset(tmp_path, [4, 4])
    (tmp_path / manifest.shards[1].labels).unlink()
    before = threading.active_count()
    with pytest.raises(UsageError, match=rf"{manifest.shards[1].labels}: cannot read: there is no such file"):
        list(BatchLoader(ShardDataset(tmp_path, manifest, "train", batch_size=1), CPU))
    assert threading.active_count() == before


def test_leaving_in_the_middle_leaves_no_thread(tmp_path: Path) -> None:
    manifest = numbered_dataset(tmp_path, [4, 4])
    before = threading.active_count()
    for _ in BatchLoader(ShardDataset(tmp_path, manifest, "train", batch_size=1), CPU):
        assert threading.active_count() == before + 1
        break
    assert threading.active_count() == before
