"""On the CPU batches pass through untouched; tests/gpu/test_prefetch.py is about the ring."""

from collections.abc import Iterator

import torch

from pipeline.batches.prefetch import to_device
from pipeline.batches.shard_dataset import Batch

CPU = torch.device("cpu")


def test_on_the_cpu_batches_pass_through_and_none_is_read_ahead() -> None:
    made: list[Batch] = [(torch.full((2, 3), number, dtype=torch.uint8), torch.arange(2)) for number in range(3)]
    num_read = 0

    def counted() -> Iterator[Batch]:
        nonlocal num_read
        for batch in made:
            num_read += 1
            yield batch

    for number, batch in enumerate(to_device(counted(), CPU)):
        assert batch is made[number]
        assert num_read == number + 1
    assert num_read == 3


def test_no_batches() -> None:
    assert list(to_device([], CPU)) == []
