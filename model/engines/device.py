"""The device that torch computes on. Needs torch."""

import torch

from pipeline.errors import MissingError


def choose_device(name: str) -> torch.device:
    """Turn ``auto``, ``cpu`` or ``cuda`` into a device.

    Raises:
        MissingError: ``cuda`` was asked for and is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise MissingError(
            "--device cuda: torch sees no CUDA device; install a CUDA build of torch, or use --device cpu"
        )
    return torch.device(name)
