"""The pinned ring: order and content hold over many more batches than it has buffers, whatever the consumer does meanwhile."""

from collections.abc import Iterator

import pytest
import torch

from pipeline.batches.prefetch import RING_SIZE, DeviceFeed, to_device
from pipeline.batches.shard_dataset import Batch

pytestmark = pytest.mark.gpu


def make(number: int, num_rows: int) -> Batch:
    codes_BL = torch.arange(num_rows * 64).reshape(num_rows, 64).add(number).to(torch.uint8)
    return codes_BL, torch.arange(num_rows).add(number)


def reused(sizes: list[int]) -> Iterator[Batch]:
    """Batches whose memory is overwritten as soon as the next one is asked for."""
    for number, num_rows in enumerate(sizes):
        batch = make(number, num_rows)
        yield batch
        for tensor in batch:
            tensor.fill_(99)


@pytest.mark.parametrize(
    "sizes",
    [[4096] * (RING_SIZE * 20) + [17], [1], [], [3, 2, 1], [1, 2, 3, 500, 4, 5000, 6, 7, 5001]],
    ids=["last batch shorter", "one", "none", "shrinking", "growing"],
)
@pytest.mark.parametrize("busy", [False, True])
def test_order_and_content(sizes: list[int], busy: bool) -> None:
    device = torch.device("cuda")
    work = torch.randn(2048, 2048, device=device)
    received = []
    for codes_BL, label_ids in to_device(reused(sizes), device):
        assert codes_BL.device.type == label_ids.device.type == "cuda"
        if busy:  # The consumer's stream lags behind, so a buffer that is reused too early would show.
            for _ in range(5):
                work = torch.tanh(work @ work)
        received.append((codes_BL.clone(), label_ids.clone()))

    assert len(received) == len(sizes)
    for number, (batch, num_rows) in enumerate(zip(received, sizes, strict=True)):
        for tensor, expected in zip(batch, make(number, num_rows), strict=True):
            assert torch.equal(tensor.cpu(), expected)


def test_a_received_batch_is_the_receivers_own() -> None:
    """Kept, not cloned: later transfers must not write into it."""
    sizes = [1000] * (RING_SIZE * 4)
    kept = list(to_device(reused(sizes), torch.device("cuda")))
    for number, batch in enumerate(kept):
        for tensor, expected in zip(batch, make(number, 1000), strict=True):
            assert torch.equal(tensor.cpu(), expected)


def test_a_feed_that_was_left_in_the_middle_goes_on_with_the_same_buffers() -> None:
    feed: DeviceFeed[Batch] = DeviceFeed(torch.device("cuda"))
    for round_number in range(RING_SIZE * 3):
        for _ in feed.through(reused([2000] * 5)):
            break
        sizes = [1000 + round_number] * 7
        for number, batch in enumerate(feed.through(reused(sizes))):
            for tensor, expected in zip(batch, make(number, sizes[0]), strict=True):
                assert torch.equal(tensor.cpu(), expected)
