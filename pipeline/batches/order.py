"""The order of training rows: a pure function of (shard sizes, seed, epoch), and who reads which batch. Needs NumPy only.

Shuffling draws the shards into a random order, joins neighbours into windows of at least `WINDOW_ROWS` rows and permutes each window,
so memory stays bounded and a data set of up to that size is shuffled as a whole. Batch b of an epoch goes to rank
b % num_ranks, and within a rank its i-th batch to worker i % num_workers; a loader that takes from its workers in turn, as torch's
does, then delivers the same sequence for any number of workers.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

WINDOW_ROWS = 1 << 20


def epoch_windows(
    shard_sizes: Sequence[int], seed: int, epoch: int, *, shuffle: bool, window_rows: int = WINDOW_ROWS
) -> Iterator[Rows]:
    """The rows of an epoch, window by window.

    Args:
        shard_sizes: Rows of each shard; row numbers run through the shards in this order.
        seed: Of the run.
        epoch: 0-based.
        shuffle: Whether to permute; otherwise rows come as stored.
        window_rows: A window ends with the first shard that brings it to so many rows.

    Yields:
        int64 [W], row numbers, owned by the caller.
    """
    starts = np.concatenate([[0], np.cumsum(shard_sizes, dtype=np.int64)])
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch])))
    shards = generator.permutation(len(shard_sizes)) if shuffle else np.arange(len(shard_sizes))
    window: list[Rows] = []
    num_rows = 0
    for shard in shards:
        window.append(np.arange(starts[shard], starts[shard + 1]))
        num_rows += len(window[-1])
        if num_rows >= window_rows:
            yield _joined(window, generator if shuffle else None)
            window, num_rows = [], 0
    if window:
        yield _joined(window, generator if shuffle else None)


def _joined(window: list[Rows], generator: np.random.Generator | None) -> Rows:
    rows = np.concatenate(window)
    if generator is not None:
        generator.shuffle(rows)
    return rows


def epoch_batches(
    shard_sizes: Sequence[int], seed: int, epoch: int, *, batch_size: int, shuffle: bool, window_rows: int = WINDOW_ROWS
) -> Iterator[Rows]:
    """The batches of an epoch, each int64 [batch_size], the last one perhaps shorter."""
    rest: Rows = np.empty(0, np.int64)
    for window in epoch_windows(shard_sizes, seed, epoch, shuffle=shuffle, window_rows=window_rows):
        rows = np.concatenate([rest, window])
        full = len(rows) - len(rows) % batch_size
        for start in range(0, full, batch_size):
            yield rows[start : start + batch_size]
        rest = rows[full:]
    if len(rest):
        yield rest


def is_mine(batch: int, first: int, *, rank: int, num_ranks: int, worker: int, num_workers: int) -> bool:
    """Whether a worker of a rank reads a batch.

    Args:
        batch: The batch's number within the epoch, over all ranks.
        first: How many batches the rank has had already, when resuming; those are nobody's.
        rank: Of this process.
        num_ranks: Processes that train together.
        worker: Of this reader within its rank.
        num_workers: Readers of a rank.
    """
    if batch % num_ranks != rank:
        return False
    mine = batch // num_ranks - first
    return mine >= 0 and mine % num_workers == worker


def count_batches(num_rows: int, batch_size: int, *, rank: int = 0, num_ranks: int = 1) -> int:
    """How many batches a rank has in an epoch."""
    batches = -(-num_rows // batch_size)
    return max(0, -(-(batches - rank) // num_ranks))
