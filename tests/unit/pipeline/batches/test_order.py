"""The order of rows: every one once, a pure function of sizes, seed and epoch; batches dealt to ranks and workers without a gap."""

import numpy as np
import pytest

from pipeline.batches.order import count_batches, epoch_batches, epoch_windows, is_mine

SIZES = [5, 1, 8, 0, 3]


def rows(
    seed: int = 0, epoch: int = 0, *, shuffle: bool = True, window_rows: int = 1 << 20, batch_size: int = 4
) -> list[int]:
    batches = epoch_batches(SIZES, seed, epoch, batch_size=batch_size, shuffle=shuffle, window_rows=window_rows)
    return [int(row) for batch in batches for row in batch]


def test_without_shuffling_rows_come_as_stored() -> None:
    assert rows(shuffle=False) == list(range(17))
    assert rows(3, 7, shuffle=False, window_rows=2) == list(range(17))


def test_seed_and_epoch_change_the_order_and_nothing_else_does() -> None:
    orders = [rows(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert all(sorted(order) == list(range(17)) for order in orders)
    assert len({tuple(order) for order in orders}) == 9
    assert rows(2, 2) == rows(2, 2) == rows(2, 2, batch_size=5)


def test_the_order_is_this_one() -> None:
    """A checkpoint resumes only if the order stays; a change of it must be meant, and bump the state's version."""
    assert rows(828, 1) == [1, 10, 7, 9, 3, 6, 14, 5, 11, 16, 0, 13, 4, 15, 12, 2, 8]
    assert rows(828, 1, window_rows=6) == [7, 6, 10, 9, 13, 12, 8, 11, 15, 4, 14, 0, 5, 1, 16, 2, 3]


def test_windows_are_whole_shards_and_bound_the_shuffle() -> None:
    starts = np.cumsum([0, *SIZES])
    shards = [set(range(start, start + size)) for start, size in zip(starts, SIZES, strict=False) if size]
    windows = list(epoch_windows(SIZES, 1, 0, shuffle=True, window_rows=6))
    for window in windows:
        inside = set(window.tolist())
        assert all(shard <= inside or not shard & inside for shard in shards)
    assert all(len(window) >= 6 for window in windows[:-1])
    assert len(windows) > 1


def test_shuffling_mixes_shards() -> None:
    (window,) = epoch_windows([50, 50], 0, 0, shuffle=True)
    assert 10 < (window[:50] < 50).sum() < 40


@pytest.mark.parametrize(("batch_size", "sizes"), [(4, [4, 4, 4, 4, 1]), (17, [17]), (100, [17]), (1, [1] * 17)])
def test_only_the_last_batch_is_shorter(batch_size: int, sizes: list[int]) -> None:
    batches = epoch_batches(SIZES, 0, 0, batch_size=batch_size, shuffle=True, window_rows=3)
    assert [len(batch) for batch in batches] == sizes


@pytest.mark.parametrize("sizes", [[], [0], [0, 0]])
def test_no_rows_no_batches(sizes: list[int]) -> None:
    assert list(epoch_batches(sizes, 0, 0, batch_size=4, shuffle=True)) == []


@pytest.mark.parametrize("num_rows", [0, 1, 7, 8, 9, 31])
@pytest.mark.parametrize("num_ranks", [1, 2, 3])
def test_count_equals_what_is_dealt(num_rows: int, num_ranks: int) -> None:
    num_batches = -(-num_rows // 4)
    for rank in range(num_ranks):
        dealt = [
            is_mine(batch, 0, rank=rank, num_ranks=num_ranks, worker=0, num_workers=1) for batch in range(num_batches)
        ]
        assert count_batches(num_rows, 4, rank=rank, num_ranks=num_ranks) == sum(dealt)


def test_a_batch_has_one_reader_and_those_had_before_have_none() -> None:
    for batch in range(40):
        readers = [
            (rank, worker)
            for rank in range(3)
            for worker in range(4)
            if is_mine(batch, 5, rank=rank, num_ranks=3, worker=worker, num_workers=4)
        ]
        assert len(readers) == (batch // 3 >= 5)


def test_a_loader_that_takes_in_turn_gets_them_in_order_wherever_it_resumes() -> None:
    for first in range(6):
        queues = [
            [batch for batch in range(30) if is_mine(batch, first, rank=1, num_ranks=2, worker=worker, num_workers=3)]
            for worker in range(3)
        ]
        taken = [queue[turn] for turn in range(len(queues[0])) for queue in queues if turn < len(queue)]
        assert taken == list(range(1 + 2 * first, 30, 2))
