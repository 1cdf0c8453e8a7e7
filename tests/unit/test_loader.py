"""The loader with real worker processes; tests/properties/test_order.py holds its promises without them."""

from pathlib import Path

import torch

from pipeline.dataset import ShardDataset
from pipeline.loader import BatchLoader
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
