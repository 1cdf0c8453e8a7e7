"""A step in each precision and compiled: it computes in what it says, learns alike, and leaves weights under the same names."""

import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from model.architectures.base import Architecture
from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.lstm.config import LstmConfig
from model.architectures.ngram.config import NgramConfig
from model.architectures.registry import build_network
from model.training.optim import make_optimizer, make_schedule
from model.training.recipe import resolve
from model.training.step import TrainStep
from pipeline.batches.shard_dataset import Batch
from pipeline.text.alphabet import get_profile
from tests.commands import ROOT, environment

CPU = torch.device("cpu")
SMALL: dict[str, Architecture] = {
    "charcnn": CharCnnConfig(channels_1=8, channels_2=6, hidden=10),
    "charcnn-batch": CharCnnConfig(channels_1=8, channels_2=6, hidden=10, norm="batch"),
    "lstm": LstmConfig(dim=8, hidden=10, dropout=0),
    "ngram": NgramConfig(buckets=64, dim=4, max_order=2),
}


def _network(arch: str) -> nn.Module:
    torch.manual_seed(2)
    return build_network(SMALL[arch], get_profile("seed", 16), 3)


def _step(network: nn.Module, class_weights_K: torch.Tensor | None = None, **flags: Any) -> TrainStep:
    config = resolve("default", {"lr": 0.01, "schedule": "constant", **flags}, num_train=9, num_valid=9)
    optimizer = make_optimizer(config, network.parameters())
    schedule = make_schedule(config, optimizer, 100)
    return TrainStep(network, optimizer, schedule, CPU, config, class_weights_K)


def _batch(num_rows: int = 24) -> Batch:
    """Rows whose first code tells their class."""
    generator = torch.Generator().manual_seed(4)
    codes_BL = torch.randint(0, 28, (num_rows, 16), generator=generator, dtype=torch.uint8)
    return codes_BL, (codes_BL[:, 0] // 10).long()


def _losses(step: TrainStep, num_steps: int = 40) -> list[float]:
    return [float(step(*_batch())[0]) for _ in range(num_steps)]


def _outputs(network: nn.Module) -> dict[str, torch.dtype]:
    """Filled with the dtype of what each layer gives."""
    seen: dict[str, torch.dtype] = {}

    def note(name: str, output: Any) -> None:
        seen[name] = (output[0] if isinstance(output, tuple) else output).dtype

    for name, layer in network.named_modules():
        layer.register_forward_hook(lambda _layer, _inputs, output, name=name: note(name, output))
    return seen


@pytest.mark.parametrize("arch", SMALL)
def test_bfloat16_computes_in_it_and_keeps_the_rest_in_float32(arch: str) -> None:
    network = _network(arch)
    seen = _outputs(network)
    loss, logits_BK = _step(network, precision="bfloat16")(*_batch())
    heavy = {name for name, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv1d)}
    assert heavy
    assert {name: seen[name] for name in heavy} == dict.fromkeys(heavy, torch.bfloat16)
    assert (loss.dtype, logits_BK.dtype) == (torch.float32, torch.float32)
    for parameter in network.parameters():
        assert parameter.dtype == torch.float32
        assert parameter.grad is not None
        assert parameter.grad.dtype == torch.float32
    with torch.no_grad():
        assert network(_batch()[0]).dtype == torch.float32  # Nothing of it stays behind a step.


@pytest.mark.parametrize("arch", SMALL)
def test_float32_computes_in_float32(arch: str) -> None:
    network = _network(arch)
    seen = _outputs(network)
    _step(network)(*_batch())
    assert set(seen.values()) == {torch.float32}


@pytest.mark.parametrize("arch", SMALL)
def test_both_precisions_learn_alike_and_not_the_same(arch: str) -> None:
    full, half = (_losses(_step(_network(arch), precision=precision)) for precision in ("float32", "bfloat16"))
    assert full[-1] < 0.7 * full[0]
    assert half[-1] < 0.7 * half[0]
    assert half == pytest.approx(full, abs=0.1)
    assert half != full


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weights", [None, (0.5, 2.0, 0.0)])
def test_the_loss_is_smoothed_and_weighted_by_the_formula(smoothing: float, weights: tuple[float, ...] | None) -> None:
    """A row's target is 1 - s for its class and s / K more for each; a class's terms count its weight, and the mean is over the rows'."""
    codes_BL, label_ids_B = _batch()
    weights_K = None if weights is None else torch.tensor(weights)
    loss, logits_BK = _step(_network("ngram"), weights_K, label_smoothing=smoothing)(codes_BL, label_ids_B)
    logs_BK = logits_BK.double().log_softmax(1)
    target_BK = (1 - smoothing) * nn.functional.one_hot(label_ids_B, 3) + smoothing / 3
    counted_K = torch.ones(3) if weights_K is None else weights_K
    expected = -(target_BK * counted_K * logs_BK).sum() / counted_K[label_ids_B].sum()
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.slow
def test_compiled_it_computes_the_same_and_names_stay() -> None:
    """With the n-grams' hashes, which overflow on purpose; test_loop.py has batches of two sizes."""
    plain, compiled = _network("ngram"), _network("ngram")
    names = list(compiled.state_dict())
    weights_K, techniques = torch.tensor([0.5, 2.0, 1.0]), {"label_smoothing": 0.1, "clip_norm": 0.1}
    steps = _step(plain, weights_K, **techniques), _step(compiled, weights_K, compile=True, **techniques)
    for _ in range(5):
        (loss, logits_BK), (expected, expected_logits_BK) = (step(*_batch()) for step in reversed(steps))
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(logits_BK, expected_logits_BK)
    assert list(compiled.state_dict()) == names
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], tensor)
    assert _losses(steps[1])[-1] < 0.7 * float(expected)


def test_without_a_compiler_it_says_what_to_install() -> None:
    code = (
        "from tests.unit.model.training.test_step import _batch, _network, _step\nfrom pipeline.errors import MissingError\n"
        "try: _step(_network('charcnn'), compile=True)(*_batch())\n"
        "except MissingError as error: print(error.exit_code, error)"
    )
    env = environment({"CXX": "/nowhere/c++", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"})
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, **env}, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("69 --compile: torch cannot compile the network here (")
    assert "install a C++ compiler" in done.stdout
    assert done.stdout.count("\n") == 1
