"""ShardDataset: whole batches from memory-mapped shards, in the order that order.py defines, resumable at every batch.

Imported by training only: it needs torch. Loader workers import this module, so it must never import Polars.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from pipeline.errors import MismatchError
from pipeline.manifest import Manifest
from pipeline.order import Rows, count_batches, epoch_batches, is_mine
from pipeline.shards import open_codes, open_labels

Batch = tuple[torch.Tensor, torch.Tensor]
"""(codes uint8 [B, L], label ids int64 [B]), both owned by the receiver: copies, never views of a map."""

STATE_VERSION = 1


class ShardDataset(IterableDataset[Batch]):
    """Iterates over the batches of one epoch, then of the next one.

    Args:
        folder: A dataset.
        manifest: Its manifest.
        split: ``train`` or ``valid``.
        batch_size: Rows a batch.
        seed: Of the order.
        shuffle: Whether to shuffle; the order is a function of shard sizes, seed and epoch.
        limit_batches: End each epoch after so many batches; 0 for all.
        rank: Of this process.
        num_ranks: Processes that train together.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        split: str,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = False,
        limit_batches: int = 0,
        rank: int = 0,
        num_ranks: int = 1,
    ) -> None:
        self._folder = folder
        self._shards = [shard for shard in manifest.shards if shard.split == split]
        self._fingerprint = manifest.fingerprint
        self._batch_size = batch_size
        self._seed = seed
        self._shuffle = shuffle
        self._limit_batches = limit_batches
        self._rank = rank
        self._num_ranks = num_ranks
        self.epoch = 0
        self.delivered = 0  # Batches of this epoch that the consumer has had.

    def __len__(self) -> int:
        """Batches in an epoch of this rank."""
        num_rows = sum(shard.num_rows for shard in self._shards)
        batches = count_batches(num_rows, self._batch_size, rank=self._rank, num_ranks=self._num_ranks)
        return min(batches, self._limit_batches) if self._limit_batches else batches

    def __iter__(self) -> Iterator[Batch]:
        """Yield what this worker reads of the rest of the epoch."""
        worker = get_worker_info()
        return self.batches(*((worker.id, worker.num_workers) if worker else (0, 1)))

    def batches(self, worker: int, num_workers: int) -> Iterator[Batch]:
        """Yield what one of num_workers readers reads of the rest of the epoch."""
        codes = [open_codes(self._folder, shard) for shard in self._shards]
        label_ids = [open_labels(self._folder, shard) for shard in self._shards]
        sizes = [shard.num_rows for shard in self._shards]
        starts = np.cumsum([0, *sizes])
        order = epoch_batches(sizes, self._seed, self.epoch, batch_size=self._batch_size, shuffle=self._shuffle)
        last = len(self) * self._num_ranks
        first = self.delivered  # Read once: the count goes on while this generator runs.
        for number, rows in enumerate(itertools.islice(order, last)):
            if is_mine(
                number, first, rank=self._rank, num_ranks=self._num_ranks, worker=worker, num_workers=num_workers
            ):
                yield (
                    torch.from_numpy(_gather(codes, starts, rows)),
                    torch.from_numpy(_gather(label_ids, starts, rows).astype(np.int64)),
                )

    def state_dict(self) -> dict[str, Any]:
        """Where the consumer is."""
        return {
            "version": STATE_VERSION,
            "fingerprint": self._fingerprint,
            "batch_size": self._batch_size,
            "seed": self._seed,
            "shuffle": self._shuffle,
            "limit_batches": self._limit_batches,
            "num_ranks": self._num_ranks,
            "epoch": self.epoch,
            "delivered": self.delivered,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go where a `state_dict` was taken.

        Raises:
            MismatchError: The state belongs to another data set or another order; the field is named.
        """
        mine = self.state_dict()
        for name in mine:
            if name not in {"epoch", "delivered"} and state.get(name) != mine[name]:
                raise MismatchError(
                    f"cannot resume the order of rows: {name} was {state.get(name)!r}, now it is {mine[name]!r}"
                )
        self.epoch = state["epoch"]
        self.delivered = state["delivered"]


def _gather(shards: list[Any], starts: Any, rows: Rows) -> Any:
    """Copy rows, by number over all shards, out of the maps."""
    if len(shards) == 1:
        return shards[0][rows]
    which = np.searchsorted(starts, rows, side="right") - 1
    gathered = np.empty((len(rows), *shards[0].shape[1:]), shards[0].dtype)
    for shard in np.unique(which):
        chosen = which == shard
        gathered[chosen] = shards[shard][rows[chosen] - starts[shard]]
    return gathered
