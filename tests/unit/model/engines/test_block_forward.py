"""Blocks: every row once and in its place, however much fits; tests/gpu/test_block_forward.py has the streams."""

import numpy as np
import pytest
import torch
from torch import nn

from model.engines.block_forward import BlockForward
from pipeline.errors import TemporaryError
from tests.datasets import random_codes

from pipeline.text.alphabet import Codes, get_profile  # isort: skip

CPU = torch.device("cpu")
TEMPERATURE = 2.0


class _Small(nn.Module):
    """Logits of a row's first three codes; memory for so many rows only."""

    def __init__(self, holds: int) -> None:
        super().__init__()
        self.holds = holds
        self.sizes: list[int] = []

    def forward(self, codes_BL: torch.Tensor) -> torch.Tensor:
        assert codes_BL.dtype == torch.uint8
        self.sizes.append(len(codes_BL))
        if len(codes_BL) > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return codes_BL[:, :3].float() / 8


def _expected(codes_NL: Codes) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    powers = np.exp(codes_NL[:, :3] / 8 / TEMPERATURE)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _blocks(network: nn.Module, block_rows: int) -> BlockForward:
    return BlockForward(network, CPU, temperature=TEMPERATURE, num_classes=3, block_rows=block_rows)


@pytest.mark.parametrize("num_rows", [8, 63, 64, 65, 1000])
@pytest.mark.parametrize("holds", [1, 2, 3, 40, 63, 64, 10_000])
def test_whatever_fits_every_row_is_in_its_place(num_rows: int, holds: int) -> None:
    codes_NL = random_codes(get_profile("seed"), num_rows, seed=num_rows)
    network = _Small(holds)
    probabilities_NK = _blocks(network, 64).predict(codes_NL)
    assert probabilities_NK.dtype == np.float32
    np.testing.assert_allclose(probabilities_NK, _expected(codes_NL), atol=1e-6)
    assert sum(size for size in network.sizes if size <= holds) >= num_rows


def test_the_size_that_fits_is_remembered_and_nothing_tried_twice() -> None:
    codes_NL = random_codes(get_profile("seed"), 1000)
    network = _Small(holds=20)
    blocks = _blocks(network, 128)
    blocks.predict(codes_NL)
    assert network.sizes == [128, 64, 32, *[16] * 62, 8]
    network.sizes.clear()
    np.testing.assert_allclose(blocks.predict(codes_NL), _expected(codes_NL), atol=1e-6)
    assert network.sizes == [*[16] * 62, 8]


def test_few_rows_that_do_not_fit_are_halved_from_their_own_number() -> None:
    network = _Small(holds=50)
    _blocks(network, 1 << 16).predict(random_codes(get_profile("seed"), 100))
    assert network.sizes == [100, 50, 50]


def test_memory_that_runs_out_in_the_middle_repeats_no_row_that_is_done() -> None:
    codes_NL = random_codes(get_profile("seed"), 100)
    network = _Small(holds=100)

    class Shrinking(nn.Module):
        def forward(self, codes_BL: torch.Tensor) -> torch.Tensor:
            if len(network.sizes) == 3:
                network.holds = 5  # Another program takes the memory.
            logits_BK: torch.Tensor = network(codes_BL)
            return logits_BK

    probabilities_NK = _blocks(Shrinking(), 20).predict(codes_NL)
    np.testing.assert_allclose(probabilities_NK, _expected(codes_NL), atol=1e-6)
    # Of the three blocks before, the last was still on its way back.
    assert network.sizes == [20, 20, 20, 20, 10, *[5] * 12]


def test_where_not_one_row_fits_it_gives_up_and_says_so() -> None:
    network = _Small(holds=0)
    with pytest.raises(TemporaryError, match=r"does not hold a single row.*--device cpu") as caught:
        _blocks(network, 8).predict(random_codes(get_profile("seed"), 9))
    assert network.sizes == [8, 4, 2, 1]
    assert caught.value.retryable
    assert caught.value.exit_code == 75


def test_other_errors_are_left_alone() -> None:
    class Broken(nn.Module):
        def forward(self, _codes_BL: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal memory access"):
        _blocks(Broken(), 8).predict(random_codes(get_profile("seed"), 9))


def test_read_only_codes_and_none_at_all() -> None:
    codes_NL = random_codes(get_profile("seed"), 10)
    codes_NL.flags.writeable = False
    np.testing.assert_allclose(_blocks(_Small(99), 4).predict(codes_NL), _expected(codes_NL), atol=1e-6)
    assert _blocks(_Small(99), 4).predict(codes_NL[:0]).shape == (0, 3)
