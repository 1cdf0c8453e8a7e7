"""Every row once an epoch for any number of ranks and workers, the same sequence for any of these, and from every step on again."""

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches.loader import BatchLoader
from pipeline.batches.order import count_batches, epoch_batches
from pipeline.batches.shard_dataset import ShardDataset
from pipeline.dataset.manifest import Manifest
from tests.building import numbered_dataset
from tests.strategies import FEW, SOME

SHARD_SIZES = st.lists(st.integers(0, 9), max_size=6)
Labels = list[list[int]]


@functools.cache
def _dataset(sizes: tuple[int, ...]) -> tuple[tempfile.TemporaryDirectory[str], Manifest]:
    folder = tempfile.TemporaryDirectory()
    return folder, numbered_dataset(Path(folder.name), sizes)


def make(sizes: Sequence[int], batch_size: int, *, rank: int = 0, num_ranks: int = 1, limit: int = 0) -> ShardDataset:
    folder, manifest = _dataset(tuple(size for size in sizes if size))
    return ShardDataset(
        Path(folder.name),
        manifest,
        "train",
        batch_size=batch_size,
        seed=3,
        shuffle=True,
        rank=rank,
        num_ranks=num_ranks,
        limit_batches=limit,
    )


def taken_in_turn(dataset: ShardDataset, num_workers: int) -> Labels:
    """What a loader delivers that takes a batch from each of its workers in turn, as torch's does."""
    workers = [list(dataset.batches(worker, num_workers)) for worker in range(num_workers)]
    turns = range(max(map(len, workers)))
    return [worker[turn][1].tolist() for turn in turns for worker in workers if turn < len(worker)]


@SOME
@given(
    sizes=SHARD_SIZES,
    batch_size=st.integers(1, 7),
    seed=st.integers(0, 5),
    epoch=st.integers(0, 3),
    shuffle=st.booleans(),
    window_rows=st.integers(1, 30),
)
def test_every_row_once_an_epoch(
    sizes: list[int], batch_size: int, seed: int, epoch: int, shuffle: bool, window_rows: int
) -> None:
    batches = list(epoch_batches(sizes, seed, epoch, batch_size=batch_size, shuffle=shuffle, window_rows=window_rows))

    assert sorted(int(row) for batch in batches for row in batch) == list(range(sum(sizes)))
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert len(batches) == count_batches(sum(sizes), batch_size)


@FEW
@given(
    sizes=SHARD_SIZES,
    batch_size=st.integers(1, 7),
    num_ranks=st.integers(1, 3),
    num_workers=st.integers(1, 3),
    epoch=st.integers(0, 2),
)
def test_ranks_and_workers_share_the_rows(
    sizes: list[int], batch_size: int, num_ranks: int, num_workers: int, epoch: int
) -> None:
    seen = []
    for rank in range(num_ranks):
        dataset = make(sizes, batch_size, rank=rank, num_ranks=num_ranks)
        dataset.epoch = epoch
        delivered = taken_in_turn(dataset, num_workers)
        assert delivered == taken_in_turn(dataset, 1)
        assert len(delivered) == len(dataset)
        seen += [row for batch in delivered for row in batch]
    assert sorted(seen) == list(range(sum(sizes)))


@FEW
@given(sizes=SHARD_SIZES, batch_size=st.integers(1, 7), num_workers=st.integers(1, 3), limit=st.sampled_from([0, 0, 2]))
def test_restored_at_every_step_all_that_follows_is_the_same(
    sizes: list[int], batch_size: int, num_workers: int, limit: int
) -> None:
    dataset = make(sizes, batch_size, limit=limit)
    loader = BatchLoader(dataset, torch.device("cpu"))
    states = [dataset.state_dict()]
    delivered: Labels = []
    for _ in range(2):
        for batch in loader:
            delivered.append(batch[1].tolist())
            states.append(dataset.state_dict())

    for step, state in enumerate(states):
        again = make(sizes, batch_size, limit=limit)
        again.load_state_dict(state)
        followed: Labels = []
        while again.epoch < 2:
            followed += taken_in_turn(again, num_workers)
            again.epoch, again.delivered = again.epoch + 1, 0
        assert followed == delivered[step:]
