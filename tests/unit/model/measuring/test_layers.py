"""The summary says what PyTorch would of every module, and asking for it changes nothing."""

import torch
from torch import nn

from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.ngram.config import NgramConfig
from model.architectures.registry import build_network
from model.measuring.layers import list_layers
from pipeline.text.alphabet import get_profile

PROFILE = get_profile("seed", 12)


def test_each_layer_of_the_articles_network() -> None:
    network = build_network(CharCnnConfig(channels_1=5, channels_2=4, hidden=7), PROFILE, 3)
    lines = [(layer.name, layer.kind, layer.shape, layer.parameters) for layer in list_layers(network, PROFILE)]
    assert [line for line in lines if line[3]] == [
        ("conv_1", "Conv1d", "5 x 12", 5 * 28 * 3 + 5),
        ("norm_1", "LayerNorm", "12 x 5", 2 * 5),
        ("conv_2", "Conv1d", "4 x 12", 4 * 5 * 3 + 4),
        ("norm_2", "LayerNorm", "12 x 4", 2 * 4),
        ("linear_1", "Linear", "7", 12 * 4 * 7 + 7),
        ("linear_2", "Linear", "3", 7 * 3 + 3),
    ]
    assert lines[0] == ("one_hot", "OneHot", "12 x 28", 0)
    assert ("flatten", "Rearrange", "48", 0) in lines


def test_all_parameters_are_counted_once_wherever_they_are() -> None:
    class Odd(nn.Module):
        """A parameter of its own, a layer run twice, one that is frozen, and one that is not run."""

        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(12))
            self.twice = nn.Linear(12, 12)
            self.frozen = nn.Linear(12, 12).requires_grad_(False)
            self.idle = nn.Linear(2, 1)

        def forward(self, codes_BL: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.frozen(self.twice(self.twice(codes_BL * self.scale)))
            return result

    lines = [(layer.name, layer.shape, layer.parameters) for layer in list_layers(Odd(), PROFILE)]
    assert lines == [("twice", "12", 156), ("twice", "12", 0), ("frozen", "12", 0), ("", "", 12), ("idle", "", 3)]


def test_asking_changes_neither_modes_nor_random_numbers() -> None:
    network = build_network(NgramConfig(buckets=50), PROFILE, 3)
    network.get_submodule("linear").eval()
    modes = [module.training for module in network.modules()]
    state = torch.get_rng_state()
    layers = list_layers(network, PROFILE)
    assert sum(layer.parameters for layer in layers) == sum(own.numel() for own in network.parameters())
    assert [module.training for module in network.modules()] == modes
    assert True in modes
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_hooks for module in network.modules())
