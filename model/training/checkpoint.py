"""The checkpoint: all that a training needs to go on, in one safetensors file that is replaced atomically. No pickle. Needs torch.

Tensors are stored by name: the network's under `network.`, those of its best epoch, if it is kept, under `best.`, the optimiser's under
`optimizer.PARAMETER.`, and the random states under `random.`. All else (counters, sums, history, configuration, fingerprints) is JSON in
the file's metadata; Python writes floats so that they read back the same. A checksum covers both, since nothing else would tell a flipped
bit in a weight from a learned one.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from pipeline.errors import InputError, MismatchError
from pipeline.storage.durable import replace_file

FORMAT_VERSION = 3  # 2 did not say when epochs ended.


def save_checkpoint(
    path: Path,
    network: nn.Module,
    optimizer: Optimizer,
    schedule: LambdaLR,
    device: torch.device,
    progress: dict[str, Any],
    best: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write a checkpoint over the last one.

    Args:
        path: The checkpoint.
        network: What is trained.
        optimizer: Its optimiser.
        schedule: Of the optimiser.
        device: Where it is trained.
        progress: As JSON, how far the training is, and its configuration.
        best: The network's tensors after its best epoch, if that is kept.
    """
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in (best or {}).items()}
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
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(content)
    data = save(tensors, {"charmill": text, "crc32": _checksum(text, tensors)})
    replace_file(path, lambda file: file.write(data))


def read_progress(path: Path) -> dict[str, Any]:
    """Read the progress alone.

    Raises:
        InputError: The file is damaged.
        MismatchError: The file is of another format version.
    """
    progress: dict[str, Any] = _read(path)[1]["progress"]
    return progress


def load_checkpoint(
    path: Path, network: nn.Module, optimizer: Optimizer, schedule: LambdaLR, device: torch.device
) -> dict[str, torch.Tensor]:
    """Restore network, optimiser, schedule and random states.

    Returns:
        The network's tensors after its best epoch, on the CPU and owned by the caller; empty if that was not kept.

    Raises:
        InputError: The file is damaged, or belongs to another training.
        MismatchError: The file is of another format version.
    """
    tensors, content = _read(path)
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            parameter, _, field = rest.partition(".")
            states.setdefault(int(parameter), {})[field] = tensor
    try:
        network.load_state_dict(_below("network.", tensors))
        optimizer.load_state_dict({"state": states, "param_groups": content["param_groups"]})
        schedule.load_state_dict({**content["schedule"], "lr_lambdas": [None]})
    except (RuntimeError, ValueError, KeyError) as error:  # What torch raises where the network is another one.
        raise _damaged(path, error) from error
    torch.set_rng_state(tensors["random.cpu"])
    if device.type == "cuda" and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], device)
    return _below("best.", tensors)


def _below(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.offset_keys()}
        content = json.loads(metadata["charmill"])
        version, checksum = content["format_version"], metadata.get("crc32")
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error
    if version != FORMAT_VERSION:
        raise MismatchError(
            f"{path}: format_version is {version}, expected {FORMAT_VERSION}; start over with --overwrite", path=path
        )
    if checksum != _checksum(metadata["charmill"], tensors):
        raise _damaged(path, "its checksum is wrong")
    return tensors, content


def _checksum(text: str, tensors: dict[str, torch.Tensor]) -> str:
    """CRC-32 over the metadata and all tensors, in the order of their names."""
    checksum = zlib.crc32(text.encode())
    for name in sorted(tensors):
        stored = tensors[name].reshape(-1).view(torch.uint8).numpy()
        checksum = zlib.crc32(stored.data, zlib.crc32(name.encode(), checksum))
    return f"{checksum:08x}"


def _damaged(path: Path, error: Exception | str) -> InputError:
    return InputError(
        f"{path}: the checkpoint is damaged ({' '.join(str(error).split())}); start over with --overwrite", path=path
    )
