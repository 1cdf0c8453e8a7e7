"""The loader: brings a ShardDataset's batches onto the device, read ahead or by workers, and counts what it delivered. Needs torch."""

from collections.abc import Iterator
from contextlib import closing
from itertools import chain

import torch
from torch.utils.data import DataLoader

from pipeline.batches.prefetch import to_device
from pipeline.batches.shard_dataset import Batch, ShardDataset
from pipeline.execution.read_ahead import read_ahead


class BatchLoader:
    """Delivers batches on a device.

    Args:
        dataset: What to read; its `epoch` and `delivered` are kept up to date here, so its `state_dict` always says what the
            consumer has had, not what was read ahead.
        device: Where batches are needed.
        num_workers: Reader processes; 0 reads ahead in a thread of this process. The batches do not depend on it.
    """

    def __init__(self, dataset: ShardDataset, device: torch.device, num_workers: int = 0) -> None:
        self.dataset = dataset
        self._device = device
        self._num_workers = num_workers

    def __iter__(self) -> Iterator[Batch]:
        """Yield the rest of the epoch; when it is through, the dataset stands at the beginning of the next one."""
        if self._num_workers:
            yield from self._count(self._workers())
            return
        with closing(read_ahead(self.dataset.gathered())) as gathered:
            yield from self._count(chain.from_iterable(gathered))

    def _count(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in to_device(batches, self._device):
            self.dataset.delivered += 1
            yield batch
        self.dataset.epoch += 1
        self.dataset.delivered = 0

    def _workers(self) -> Iterator[Batch]:
        return iter(
            DataLoader(
                self.dataset,
                batch_size=None,
                num_workers=self._num_workers,
                multiprocessing_context="spawn",
                # Each start of a DataLoader draws a number. From torch's own random state it would leave a trace, and an epoch that
                # is resumed starts once more than one that is not.
                generator=torch.Generator(),
            )
        )
