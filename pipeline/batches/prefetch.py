"""Batches on their way to the device: a fixed ring of pinned buffers and a side stream on CUDA, nothing at all on the CPU. Needs torch."""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar, cast

import torch

RING_SIZE = 3

Tensors = TypeVar("Tensors", bound=tuple[torch.Tensor, ...])
"""A batch, such as (codes, label ids), or codes alone; in one feed all have as many tensors, alike but for their number of rows."""


def to_device(batches: Iterable[Tensors], device: torch.device) -> Iterator[Tensors]:
    """Yield batches on the device, in order; see `DeviceFeed`."""
    return DeviceFeed[Tensors](device).through(batches)


class DeviceFeed(Generic[Tensors]):
    """Brings batches to the device.

    On the CPU they pass through. On CUDA each is copied into one of `RING_SIZE` pinned buffers and crosses the bus on a side stream while
    the one before it is being used; a yielded batch is owned by the receiver.

    Args:
        device: Where batches are needed.
    """

    def __init__(self, device: torch.device) -> None:
        self._ring = _PinnedRing[Tensors](device) if device.type == "cuda" else None

    def through(self, batches: Iterable[Tensors]) -> Iterator[Tensors]:
        """Yield batches on the device, in order. One at a time of these may be in use, and it may be left before its end.

        Args:
            batches: On the CPU.
        """
        if self._ring is None:
            yield from batches
            return
        ahead: _Transfer[Tensors] | None = None
        for batch in batches:
            following = self._ring.send(batch)
            if ahead is not None:
                yield ahead.receive()
            ahead = following
        if ahead is not None:
            yield ahead.receive()


class _Transfer(Generic[Tensors]):
    """A batch on its way to the device."""

    def __init__(self, on_device: Tensors, arrived: torch.cuda.Event) -> None:
        self._on_device = on_device
        self._arrived = arrived

    def receive(self) -> Tensors:
        """Make the current stream wait for the batch."""
        stream = torch.cuda.current_stream(self._on_device[0].device)
        stream.wait_event(self._arrived)
        for tensor in self._on_device:
            tensor.record_stream(stream)
        return self._on_device


class _PinnedRing(Generic[Tensors]):
    """Pinned staging buffers, reused in turn once the copy out of them has ended."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._buffers: list[Tensors | None] = [None] * RING_SIZE
        self._arrived: list[torch.cuda.Event | None] = [None] * RING_SIZE
        self._turn = 0

    def send(self, batch: Tensors) -> _Transfer[Tensors]:
        """Copy into the next pinned buffer and start the transfer."""
        slot = self._turn
        self._turn = (self._turn + 1) % RING_SIZE
        arrived = self._arrived[slot]
        if arrived is not None:
            arrived.synchronize()
        pinned = self._buffer(slot, batch)
        for target, tensor in zip(pinned, batch, strict=True):
            target.copy_(tensor)
        event = torch.cuda.Event()
        with torch.cuda.stream(self._stream):
            try:
                on_device = tuple(tensor.to(self._device, non_blocking=True) for tensor in pinned)
            finally:
                # Where the device's memory runs out, a part may be on its way all the same, out of a buffer that is used again.
                event.record(self._stream)
                self._arrived[slot] = event
        return _Transfer(cast("Tensors", on_device), event)

    def _buffer(self, slot: int, batch: Tensors) -> Tensors:
        """The slot's buffer, cut to the batch's size; a new one where the batch is larger than any before."""
        held = self._buffers[slot]
        num_rows = len(batch[0])
        if held is None or len(held[0]) < num_rows:
            held = cast("Tensors", tuple(torch.empty_like(tensor, pin_memory=True) for tensor in batch))
            self._buffers[slot] = held
        return cast("Tensors", tuple(tensor[:num_rows] for tensor in held))
