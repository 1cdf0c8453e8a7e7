"""A network run over any number of rows, in blocks as large as the device's memory holds. Needs torch.

While the device computes a block, the next one crosses the bus from pinned memory on a side stream, as uint8, and the probabilities of
the one before it come back into pinned memory and are copied out. On the CPU the same code runs without any of that.
B rows of a block, L max_length, K classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from model.architectures.trained import Probabilities
from model.engines.shrinking_blocks import ShrinkingBlocks
from pipeline.batches.prefetch import DeviceFeed
from pipeline.text.alphabet import Codes

BLOCK_ROWS = 8_192  # A quarter of what the scorer gives at once, so that a next block can cross the bus meanwhile.
_RETURNING = 2  # At most so many blocks' probabilities are on their way back.


@dataclass(frozen=True)
class _Returning:
    """A block's probabilities on their way back.

    Attributes:
        first: The block's first row.
        probabilities: float32 [B, K], on the CPU; complete once `arrived` has happened.
        arrived: None on the CPU, where nothing has to arrive.
    """

    first: int
    probabilities: torch.Tensor
    arrived: torch.cuda.Event | None


class BlockForward:
    """Runs a network over any number of rows.

    Args:
        network: In evaluation mode, on the device.
        device: Where it runs.
        temperature: Logits are divided by it.
        num_classes: K.
        block_rows: Rows a block at first.
    """

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        *,
        temperature: float,
        num_classes: int,
        block_rows: int = BLOCK_ROWS,
    ) -> None:
        self._network = network
        self._device = device
        self._temperature = temperature
        self._num_classes = num_classes
        self.blocks = ShrinkingBlocks(block_rows, torch.cuda.empty_cache if device.type == "cuda" else lambda: None)
        self._feed: DeviceFeed[tuple[torch.Tensor]] = DeviceFeed(device)
        self._buffers: list[torch.Tensor | None] = [None] * _RETURNING
        self._turn = 0

    @torch.inference_mode()
    def predict(self, codes_NL: Codes) -> Probabilities:
        """Uint8 [N, L] to float32 [N, K], rows summing to 1, owned by the caller.

        Raises:
            TemporaryError: The device's memory does not hold a single row.
        """
        probabilities_NK = np.empty((len(codes_NL), self._num_classes), np.float32)

        def work(first: int, block_rows: int) -> Iterator[int]:
            returning: _Returning | None = None
            for following in self._forward(codes_NL, first, block_rows):
                if returning is not None:
                    yield _receive(returning, probabilities_NK)
                returning = following
            if returning is not None:
                yield _receive(returning, probabilities_NK)

        self.blocks.run(len(codes_NL), work)
        return probabilities_NK

    def _forward(self, codes_NL: Codes, first: int, block_rows: int) -> Iterator[_Returning]:
        """Start block after block; each is received before the next but one is started."""
        starts = range(first, len(codes_NL), block_rows)
        blocks = ((_as_tensor(codes_NL[start : start + block_rows]),) for start in starts)
        for start, (codes_BL,) in zip(starts, self._feed.through(blocks), strict=True):
            logits_BK = self._network(codes_BL)
            yield self._send_back(start, torch.softmax(logits_BK.float() / self._temperature, dim=1))

    def _send_back(self, first: int, probabilities_BK: torch.Tensor) -> _Returning:
        if self._device.type != "cuda":
            return _Returning(first, probabilities_BK, None)
        slot = self._turn
        self._turn = (self._turn + 1) % _RETURNING
        held = self._buffers[slot]
        if held is None or len(held) < len(probabilities_BK):
            held = torch.empty(probabilities_BK.shape, dtype=probabilities_BK.dtype, pin_memory=True)
            self._buffers[slot] = held
        # On the stream that computes: after this block, before the next one, and after whatever was copied into this buffer before.
        on_host_BK = held[: len(probabilities_BK)].copy_(probabilities_BK, non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record(torch.cuda.current_stream(self._device))
        return _Returning(first, on_host_BK, arrived)


def _receive(block: _Returning, probabilities_NK: Probabilities) -> int:
    """Wait for a block and copy it out; returns the row after it."""
    if block.arrived is not None:
        block.arrived.synchronize()
    stop = block.first + len(block.probabilities)
    probabilities_NK[block.first : stop] = block.probabilities.numpy()
    return stop


def _as_tensor(codes_BL: Codes) -> torch.Tensor:
    """Wrap codes in a tensor, without a copy unless they are read-only, which torch does not take."""
    return torch.from_numpy(np.require(codes_BL, requirements=["C", "W"]))
