"""First weights have the spread that the papers give, layer by layer, and what is no layer stays as it was."""

import math

import pytest
import torch
from torch import nn

from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.ngram.config import NgramConfig
from model.architectures.registry import build_network
from model.training.initialisation import initialise
from pipeline.text.alphabet import get_profile

INITS = ["xavier-uniform", "xavier-normal", "kaiming-uniform", "kaiming-normal"]


def _std(init: str, fan_in: int, fan_out: int) -> float:
    return math.sqrt(2 / (fan_in + fan_out)) if init.startswith("xavier") else math.sqrt(2 / fan_in)


def _require(weight: torch.Tensor, init: str, fan_in: int, fan_out: int) -> None:
    std = _std(init, fan_in, fan_out)
    assert float(weight.std()) == pytest.approx(std, rel=0.1)
    assert float(weight.mean()) == pytest.approx(0, abs=0.15 * std)
    largest = float(weight.abs().max()) / std
    if init.endswith("uniform"):
        assert 1.6 < largest <= math.sqrt(3)
    else:
        assert largest > 2.5


@pytest.mark.parametrize("init", INITS)
def test_layers_have_the_spread_of_the_rule(init: str) -> None:
    torch.manual_seed(5)
    network = nn.ModuleDict(
        {
            "linear": nn.Linear(200, 50),
            "conv": nn.Conv1d(40, 60, kernel_size=3),
            "lstm": nn.LSTM(60, 30, bidirectional=True, batch_first=True),
        }
    )
    initialise(network, init)
    weights = network.state_dict()
    _require(weights["linear.weight"], init, 200, 50)
    _require(weights["conv.weight"], init, 40 * 3, 60 * 3)
    for side in ("", "_reverse"):
        for gate in range(4):
            rows = slice(30 * gate, 30 * gate + 30)
            _require(weights[f"lstm.weight_ih_l0{side}"][rows], init, 60, 30)
            _require(weights[f"lstm.weight_hh_l0{side}"][rows], init, 30, 30)
    assert all(not weight.any() for name, weight in weights.items() if "bias" in name)


@pytest.mark.parametrize(
    "config", [CharCnnConfig(channels_1=8), NgramConfig(buckets=64, dim=4)], ids=lambda config: config.name
)
def test_embeddings_and_norms_stay_and_default_changes_nothing(config: CharCnnConfig | NgramConfig) -> None:
    torch.manual_seed(5)
    network = build_network(config, get_profile("seed", 16), 3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    initialise(network, "default")
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    initialise(network, "kaiming-normal")
    same = {name for name, tensor in network.state_dict().items() if torch.equal(tensor, before[name])}
    assert same - {"linear.bias"} == {name for name in before if name.startswith(("bag", "norm"))}
