"""Optimisers move weights as their papers say, through a step of the training; each rule is written out here once more."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from model.training.optim import make_optimizer, make_schedule
from model.training.recipe import TrainConfig, resolve
from model.training.step import TrainStep

LR = 0.1
Rule = dict[str, Any]


class _Linear(nn.Module):
    """Codes times a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.5, -0.3], [0.2, 0.4], [-0.6, 0.1]]))

    def forward(self, codes_BL: torch.Tensor) -> torch.Tensor:
        return codes_BL.float() @ self.weight


BATCHES = [
    (torch.tensor([[3, 1, 2], [1, 4, 0]], dtype=torch.uint8), torch.tensor([0, 1])),
    (torch.tensor([[0, 1, 0], [1, 0, 0]], dtype=torch.uint8), torch.tensor([1, 1])),
    (torch.tensor([[0, 0, 1], [0, 1, 0]], dtype=torch.uint8), torch.tensor([0, 1])),
]
"""The first has much larger gradients than the others."""


def _config(**flags: Any) -> TrainConfig:
    return resolve("default", {"lr": LR, "schedule": "constant"} | flags, num_train=100, num_valid=10)


def _trained(**flags: Any) -> torch.Tensor:
    network, config = _Linear(), _config(**flags)
    optimizer = make_optimizer(config, network.parameters())
    step = TrainStep(network, optimizer, make_schedule(config, optimizer, 9), torch.device("cpu"), config)
    for batch in BATCHES:
        step(*batch)
    return network.weight.detach()


@pytest.mark.parametrize("name", ["sgd", "adagrad", "rmsprop", "adam", "adamw"])
def test_what_is_left_open_is_torchs_but_for_two(name: str) -> None:
    """Sgd has a momentum here, and adamw no weight decay that was not asked for."""
    kinds = {"sgd": "SGD", "adagrad": "Adagrad", "rmsprop": "RMSprop", "adam": "Adam", "adamw": "AdamW"}
    parameters = [nn.Parameter(torch.zeros(1))]
    ours = make_optimizer(_config(optimizer=name), parameters)
    theirs = getattr(torch.optim, kinds[name])(parameters, lr=LR)
    assert type(ours) is type(theirs)
    changed = {key: value for key, value in ours.defaults.items() if value != theirs.defaults[key]}
    changed.pop("fused", None)
    assert changed == {"sgd": {"momentum": 0.9}, "adamw": {"weight_decay": 0.0}}.get(name, {})


def _gradient(weight: torch.Tensor, codes_BL: torch.Tensor, label_ids_B: torch.Tensor) -> torch.Tensor:
    """Of the mean cross-entropy."""
    x_BL = codes_BL.double()
    error_BK = (x_BL @ weight).softmax(1) - nn.functional.one_hot(label_ids_B, 2)
    return x_BL.T @ error_BK / len(label_ids_B)


def _by_hand(rule: Rule) -> torch.Tensor:
    kind, decay = rule["optimizer"], rule.get("weight_decay", 0)
    weight = _Linear().weight.detach().double()
    zeros = torch.zeros_like(weight)
    mean, squares, largest, moved = zeros, zeros, zeros, zeros
    for number, batch in enumerate(BATCHES, 1):
        gradient = _gradient(weight, *batch)
        if kind == "adamw":
            weight = weight * (1 - LR * decay)
        else:
            gradient = gradient + decay * weight
        if kind == "sgd":
            momentum = rule.get("momentum", 0.9)
            moved = momentum * moved + gradient
            weight = weight - LR * (gradient + momentum * moved if rule.get("nesterov") else moved)
        elif kind == "adagrad":
            squares = squares + gradient**2
            weight = weight - LR * gradient / (squares.sqrt() + rule.get("eps", 1e-10))
        elif kind == "rmsprop":
            alpha = rule.get("rmsprop_alpha", 0.99)
            squares = alpha * squares + (1 - alpha) * gradient**2
            moved = rule.get("momentum", 0) * moved + gradient / (squares.sqrt() + rule.get("eps", 1e-8))
            weight = weight - LR * moved
        else:
            beta1, beta2 = rule.get("beta1", 0.9), rule.get("beta2", 0.999)
            mean = beta1 * mean + (1 - beta1) * gradient
            squares = beta2 * squares + (1 - beta2) * gradient**2
            largest = torch.maximum(largest, squares)
            root = (largest if rule.get("amsgrad") else squares).sqrt() / math.sqrt(1 - beta2**number)
            weight = weight - LR * mean / (1 - beta1**number) / (root + rule.get("eps", 1e-8))
    return weight.float()


RULES: list[Rule] = [
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.5},
    {"optimizer": "sgd", "momentum": 0.5},
    {"optimizer": "sgd", "momentum": 0.5, "nesterov": True},
    {"optimizer": "adagrad"},
    {"optimizer": "adagrad", "eps": 0.5, "weight_decay": 0.5},
    {"optimizer": "rmsprop"},
    {"optimizer": "rmsprop", "momentum": 0.5, "weight_decay": 0.5},
    {"optimizer": "rmsprop", "rmsprop_alpha": 0.5, "eps": 0.5},
    {"optimizer": "adam"},
    {"optimizer": "adam", "beta1": 0.5, "beta2": 0.6, "eps": 0.1},
    {"optimizer": "adam", "beta1": 0.5, "beta2": 0.6, "eps": 0.1, "amsgrad": True},
    {"optimizer": "adam", "weight_decay": 0.5},
    {"optimizer": "adamw", "weight_decay": 0.5},
    {"optimizer": "adamw", "weight_decay": 0.5, "beta2": 0.6, "amsgrad": True},
]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_an_optimiser_moves_weights_by_its_rule(rule: Rule) -> None:
    torch.testing.assert_close(_trained(**rule), _by_hand(rule), rtol=1e-5, atol=1e-6)


def test_every_option_makes_a_difference() -> None:
    ends = [_trained(**rule) for rule in RULES]
    for number, end in enumerate(ends):
        for other in range(number):
            assert not torch.allclose(end, ends[other], atol=1e-4), (RULES[number], RULES[other])


def test_clipping_bounds_the_step_and_leaves_small_ones_alone() -> None:
    plain = {"optimizer": "sgd", "momentum": 0.0, "lr": 1.0}
    begin = _Linear().weight.detach()
    norms = []
    weight = begin.double()
    for batch in BATCHES:
        gradient = _gradient(weight, *batch)
        norms.append(float(gradient.norm()))
        weight = weight - gradient * min(1.0, 0.8 / norms[-1])
    assert norms[0] > 0.8 > norms[1]  # One is cut and one is not.
    torch.testing.assert_close(_trained(clip_norm=0.8, **plain), weight.float(), rtol=1e-4, atol=1e-5)
    assert torch.equal(_trained(clip_norm=1e6, **plain), _trained(**plain))
    assert float((_trained(clip_norm=1e-3, **plain) - begin).norm()) <= 3e-3 * (1 + 1e-5)
