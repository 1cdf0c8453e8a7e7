"""ShardDataset: whole batches from memory-mapped shards, in the order that order.py defines, resumable at every batch.

Needs torch. Never imports Polars, since loader workers import it.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from pipeline.batches.gather import ShardRows
from pipeline.batches.order import Rows, count_batches, epoch_batches, is_mine
from pipeline.dataset.manifest import Manifest
from pipeline.errors import MismatchError

Batch = tuple[torch.Tensor, torch.Tensor]
"""(codes uint8 [B, L], label ids int64 [B]), both owned by the receiver: copies, never views of a map, and nobody else writes to them.

Batches that were gathered together lie side by side in one piece of memory, which goes when the last of them does.
"""

STATE_VERSION = 1
GATHERED_ROWS = 8192
"""Batches are gathered together up to so many rows, since the calls cost more than a batch's bytes."""


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
        return itertools.chain.from_iterable(self.gathered(worker, num_workers))

    def gathered(self, worker: int = 0, num_workers: int = 1) -> Iterator[list[Batch]]:
        """The same batches, some at a time; where they begin is settled by this call, whenever they are read.

        Args:
            worker: Of num_workers readers.
            num_workers: Readers that share this rank's batches.
        """
        sizes = [shard.num_rows for shard in self._shards]
        order = epoch_batches(sizes, self._seed, self.epoch, batch_size=self._batch_size, shuffle=self._shuffle)
        first, last = self.delivered, len(self) * self._num_ranks
        ranks = {"rank": self._rank, "num_ranks": self._num_ranks, "worker": worker, "num_workers": num_workers}
        mine = (rows for number, rows in enumerate(itertools.islice(order, last)) if is_mine(number, first, **ranks))
        return self._gather(mine)

    def _gather(self, rows_of_batches: Iterator[Rows]) -> Iterator[list[Batch]]:
        shards = ShardRows(self._folder, self._shards)
        together = max(1, GATHERED_ROWS // self._batch_size)
        while batches := list(itertools.islice(rows_of_batches, together)):
            # Only an epoch's last batch is shorter than the others, and it is the last one here as well.
            codes, label_ids = (
                torch.split(torch.from_numpy(array), self._batch_size)
                for array in shards.gather(np.concatenate(batches))
            )
            yield list(zip(codes, label_ids, strict=True))

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
