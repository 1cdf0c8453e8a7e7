"""Checkpoints: everything a training needs to go on, in one safetensors file that is replaced atomically. No pickle. Needs torch.

Tensors are stored by name: the network's under `network.`, the optimiser's under `optimizer.PARAMETER.`, the random states under `random.`.
All else (counters, sums, history, configuration, fingerprints) is JSON in the file's metadata; Python writes floats so that they read back
the same.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from pipeline.errors import InputError, MismatchError
from pipeline.publish import replace_file

FORMAT_VERSION = 1
CHECKPOINT = "checkpoints/last.safetensors"


def save_checkpoint(
    path: Path,
    network: nn.Module,
    optimizer: Optimizer,
    schedule: LambdaLR,
    device: torch.device,
    progress: dict[str, Any],
) -> None:
    """Write a checkpoint in place of the last one.

    Args:
        path: Of the checkpoint.
        network: What is trained.
        optimizer: Its optimiser.
        schedule: Of the optimiser.
        device: Where it is trained.
        progress: JSON: where the training is, and with what configuration.
    """
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    states = optimizer.state_dict()
    for parameter, state in states["state"].items():
        for name, tensor in state.items():
            tensors[f"optimizer.{parameter}.{name}"] = tensor
    tensors["random.cpu"] = torch.get_rng_state()
    if device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(device)
    content = {
        "format_version": FORMAT_VERSION,
        "progress": progress,
        "param_groups": states["param_groups"],
        "schedule": {name: value for name, value in schedule.state_dict().items() if name != "lr_lambdas"},
    }
    data = save(
        {name: tensor.detach().contiguous() for name, tensor in tensors.items()}, {"charmill": json.dumps(content)}
    )
    replace_file(path, lambda file: file.write(data))


def read_progress(path: Path) -> dict[str, Any]:
    """Read only the progress of a checkpoint.

    Raises:
        InputError: The file is damaged.
        MismatchError: Another format version.
    """
    progress: dict[str, Any] = _read(path)[1]["progress"]
    return progress


def load_checkpoint(
    path: Path, network: nn.Module, optimizer: Optimizer, schedule: LambdaLR, device: torch.device
) -> None:
    """Put network, optimiser, schedule and random states where they were.

    Raises:
        InputError: The file is damaged or of another training.
        MismatchError: Another format version.
    """
    tensors, content = _read(path)
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            parameter, _, field = rest.partition(".")
            states.setdefault(int(parameter), {})[field] = tensor
    try:
        network.load_state_dict(
            {name.removeprefix("network."): tensor for name, tensor in tensors.items() if name.startswith("network.")}
        )
        optimizer.load_state_dict({"state": states, "param_groups": content["param_groups"]})
        schedule.load_state_dict({**content["schedule"], "lr_lambdas": [None]})
    except (RuntimeError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error
    torch.set_rng_state(tensors["random.cpu"])
    if device.type == "cuda" and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], device)


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            content = json.loads(file.metadata()["charmill"])
            tensors = {name: file.get_tensor(name) for name in file.offset_keys()}
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error
    if content.get("format_version") != FORMAT_VERSION:
        raise MismatchError(
            f"{path}: format_version is {content.get('format_version')}, expected {FORMAT_VERSION}; start over with --overwrite",
            path=path,
        )
    return tensors, content


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: the checkpoint is damaged ({' '.join(str(error).split())}); start over with --overwrite", path=path
    )
