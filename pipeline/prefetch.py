"""Batches to the device: a fixed ring of pinned buffers and a side stream on CUDA, nothing at all on the CPU. Needs torch."""

from collections.abc import Iterable, Iterator

import torch

from pipeline.dataset import Batch

RING_SIZE = 3


def to_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Yield batches on the device, in order.

    On the CPU they pass through. On CUDA each is copied into one of `RING_SIZE` pinned buffers and crosses the bus on a side stream while
    the one before it is being used; a yielded batch is owned by the receiver.

    Args:
        batches: On the CPU.
        device: Where they are needed.
    """
    if device.type != "cuda":
        yield from batches
        return
    ring = _PinnedRing(device)
    ahead: _Transfer | None = None
    for batch in batches:
        following = ring.send(batch)
        if ahead is not None:
            yield ahead.receive()
        ahead = following
    if ahead is not None:
        yield ahead.receive()


class _Transfer:
    """A batch on its way to the device."""

    def __init__(self, on_device: Batch, arrived: torch.cuda.Event) -> None:
        self._on_device = on_device
        self._arrived = arrived

    def receive(self) -> Batch:
        """Make the current stream wait for the batch."""
        stream = torch.cuda.current_stream(self._on_device[0].device)
        stream.wait_event(self._arrived)
        for tensor in self._on_device:
            tensor.record_stream(stream)
        return self._on_device


class _PinnedRing:
    """Pinned staging buffers, reused in turn once the copy out of them has ended."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._buffers: list[Batch | None] = [None] * RING_SIZE
        self._arrived: list[torch.cuda.Event | None] = [None] * RING_SIZE
        self._turn = 0

    def send(self, batch: Batch) -> _Transfer:
        """Copy into the next pinned buffer and start the transfer."""
        slot = self._turn
        self._turn = (self._turn + 1) % RING_SIZE
        arrived = self._arrived[slot]
        if arrived is not None:
            arrived.synchronize()
        pinned = self._buffer(slot, batch)
        for target, tensor in zip(pinned, batch, strict=True):
            target.copy_(tensor)
        with torch.cuda.stream(self._stream):
            codes, label_ids = (tensor.to(self._device, non_blocking=True) for tensor in pinned)
            event = torch.cuda.Event()
            event.record(self._stream)
        self._arrived[slot] = event
        return _Transfer((codes, label_ids), event)

    def _buffer(self, slot: int, batch: Batch) -> Batch:
        """The slot's buffer, cut to the batch's size; grown when a larger batch than ever comes."""
        held = self._buffers[slot]
        num_rows = len(batch[0])
        if held is None or len(held[0]) < num_rows:
            held = (torch.empty_like(batch[0], pin_memory=True), torch.empty_like(batch[1], pin_memory=True))
            self._buffers[slot] = held
        return held[0][:num_rows], held[1][:num_rows]
