"""Scoring on CUDA: blocks that overlap stay in order, equal the CPU's, and shrink where a real allocation fails."""

import numpy as np
import pytest
import torch
from torch import nn

from model.architectures.base import Architecture
from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.lstm.config import LstmConfig
from model.architectures.ngram.config import NgramConfig
from model.architectures.registry import build_network
from model.engines.block_forward import BlockForward
from pipeline.text.alphabet import get_profile
from tests.datasets import random_codes

pytestmark = pytest.mark.gpu

PROFILE = get_profile("seed")
NUM_CLASSES = 4


def _network(config: Architecture) -> nn.Module:
    torch.manual_seed(3)
    return build_network(config, PROFILE, NUM_CLASSES).eval()


def _blocks(network: nn.Module, device: str, block_rows: int) -> BlockForward:
    return BlockForward(
        network.to(device), torch.device(device), temperature=1.5, num_classes=NUM_CLASSES, block_rows=block_rows
    )


@pytest.mark.parametrize("block_rows", [1 << 16, 1000, 997, 64])
@pytest.mark.parametrize(
    "config",
    [CharCnnConfig(), CharCnnConfig(norm="batch"), LstmConfig(), NgramConfig(buckets=997)],
    ids=["charcnn", "charcnn-batch", "lstm", "ngram"],
)
def test_it_equals_the_cpu_in_blocks_of_any_size(config: Architecture, block_rows: int) -> None:
    codes_NL = random_codes(PROFILE, 10_000)
    expected = _blocks(_network(config), "cpu", 1024).predict(codes_NL)
    blocks = _blocks(_network(config), "cuda", block_rows)
    for num_rows in (10_000, 1, 0, 2 * block_rows + 1, 10_000):
        # cuDNN may round products to TF32.
        np.testing.assert_allclose(blocks.predict(codes_NL[:num_rows]), expected[:num_rows], atol=5e-3)
    assert blocks.blocks.block_rows == block_rows


class _Busy(nn.Module):
    """Slow on the device, so that a buffer that is used again too early would show; logits are those of a row's first codes."""

    def forward(self, codes_BL: torch.Tensor) -> torch.Tensor:
        work = torch.ones(2048, 2048, device=codes_BL.device)
        for _ in range(10):
            work = torch.tanh(work @ work)
        logits_BK: torch.Tensor = codes_BL[:, :NUM_CLASSES].float() / 8 + 0 * work[0, 0]
        return logits_BK


def test_buffers_are_used_again_only_when_nothing_is_on_its_way() -> None:
    codes_NL = random_codes(PROFILE, 50_000)
    expected = _blocks(_Busy(), "cpu", 50_000).predict(codes_NL)
    blocks = _blocks(_Busy(), "cuda", 1024)
    first = blocks.predict(codes_NL)
    kept = first.copy()
    np.testing.assert_allclose(first, expected, atol=1e-5)
    blocks.predict(codes_NL[::-1].copy())
    assert first.tobytes() == kept.tobytes()  # The caller's own.


class _Greedy(nn.Module):
    """Asks for more than any device has when a block is large."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, codes_BL: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(codes_BL))
        if len(codes_BL) > 300:
            torch.empty(1 << 50, dtype=torch.uint8, device=codes_BL.device)
        logits_BK: torch.Tensor = codes_BL[:, :NUM_CLASSES].float() / 8
        return logits_BK


def test_a_real_failed_allocation_halves_the_blocks() -> None:
    codes_NL = random_codes(PROFILE, 3000)
    network = _Greedy()
    blocks = _blocks(network, "cuda", 1024)
    np.testing.assert_allclose(blocks.predict(codes_NL), _blocks(_Busy(), "cpu", 3000).predict(codes_NL), atol=1e-5)
    assert blocks.blocks.block_rows == 256
    assert network.sizes[:3] == [1024, 512, 256]
    assert set(network.sizes[2:-1]) == {256}
