"""The layers of a network: the shape that each gives for one row, and how many numbers training moves in it. Needs torch."""

from typing import Any

import torch
from torch import nn

from model.runs.evaluation import Layer
from pipeline.text.alphabet import Profile


@torch.inference_mode()
def list_layers(network: nn.Module, profile: Profile) -> list[Layer]:
    """Run a network on a row of the fill code and list what each of its modules gives.

    It draws no random number and leaves the network's mode as it was, so a training goes on as if nothing had happened.

    Args:
        network: On any device; takes codes uint8 [B, L].
        profile: Of the codes.

    Returns:
        A layer for each run of a module that has no modules of its own, in that order; its parameters are counted the first time.
        Then, without a shape, the modules that hold other parameters: they did not run, or have modules of their own.
    """
    layers: list[Layer] = []
    counted: set[nn.Parameter] = set()
    names = {module: name for name, module in network.named_modules()}

    def note(module: nn.Module, _inputs: Any, output: Any) -> None:
        layers.append(_layer(names[module], module, _shape(output), counted))

    hooks = [module.register_forward_hook(note) for module in names if not any(True for _ in module.children())]
    modes = {module: module.training for module in names}
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    try:
        network.eval()(torch.full((1, profile.max_length), profile.fill, dtype=torch.uint8, device=device))
    finally:
        for hook in hooks:
            hook.remove()
        for module, is_training in modes.items():
            module.training = is_training
    silent = [_layer(name, module, "", counted) for module, name in names.items()]
    return layers + [layer for layer in silent if layer.parameters]


def _layer(name: str, module: nn.Module, shape: str, counted: set[nn.Parameter]) -> Layer:
    fresh = [own for own in module.parameters(recurse=False) if own.requires_grad and own not in counted]
    counted.update(fresh)
    return Layer(name=name, kind=type(module).__name__, shape=shape, parameters=sum(own.numel() for own in fresh))


def _shape(output: Any) -> str:
    """The shape of one row, from a batch of one; of the first output, since an LSTM gives its states beside its outputs."""
    while isinstance(output, tuple):
        output = output[0]
    return " x ".join(str(size) for size in output.shape[1:])
