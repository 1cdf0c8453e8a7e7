"""The initialisation of a network: its first weights, drawn by a rule. Needs torch.

The rules are those of Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010 (``xavier``),
and He et al., "Delving Deep into Rectifiers", 2015 (``kaiming``, with the fan in and ReLU's gain, whatever follows a layer).
"""

from collections.abc import Callable, Iterator

import torch
from torch import nn

_RULES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "xavier-uniform": nn.init.xavier_uniform_,
    "xavier-normal": nn.init.xavier_normal_,
    "kaiming-uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "kaiming-normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
}


def initialise(network: nn.Module, init: str) -> None:
    """Draw new weights for all linear, convolutional and recurrent layers from torch's current random state; their biases become zero.

    Embeddings stay as the architecture made them: a rule scales by how many inputs a unit sums, and would take all rows of a table for
    inputs, but a text looks up only a few. Normalisation stays at one and zero.

    Args:
        network: Changed in place.
        init: One of `Init`; ``default`` changes nothing.
    """
    if init == "default":
        return
    rule = _RULES[init]
    with torch.no_grad():
        for layer in network.modules():
            for weight in _matrices(layer):
                rule(weight)
            if isinstance(layer, nn.Linear | nn.Conv1d | nn.RNNBase):
                for name, parameter in layer.named_parameters(recurse=False):
                    if name.startswith("bias"):
                        nn.init.zeros_(parameter)


def _matrices(layer: nn.Module) -> Iterator[torch.Tensor]:
    """The matrices of a layer; of a recurrent layer each gate's by itself, since stacked they would pass for one with more outputs."""
    if isinstance(layer, nn.Linear | nn.Conv1d):
        yield layer.weight
    elif isinstance(layer, nn.RNNBase):
        for name, parameter in layer.named_parameters(recurse=False):
            if name.startswith("weight_hr"):  # A projection, which has no gates.
                yield parameter
            elif name.startswith("weight"):
                yield from parameter.chunk(len(parameter) // layer.hidden_size)
