"""Predictors: codes in, probabilities out, whatever computes them. Chooses an engine without importing torch unless it is wanted."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from model.runfile import Model, read_weights
from pipeline.alphabet import Codes
from pipeline.errors import MissingError

Probabilities = npt.NDArray[np.float32]
Engine = Literal["auto", "folded", "torch"]
Device = Literal["auto", "cpu", "cuda"]

BATCH_ROWS = 1024  # Fixed, see full_batch.


class Predictor(Protocol):
    """Computes probabilities."""

    name: str
    """The engine and its device, as in ``torch on cpu``."""

    def predict(self, codes_NL: Codes) -> Probabilities:
        """Uint8 [N, L] to float32 [N, K], rows summing to 1, owned by the caller."""
        ...


def full_batch(codes_BL: Codes, fill: int) -> Codes:
    """Add rows of the fill code until there are `BATCH_ROWS`.

    A matrix product rounds differently in batches of different shapes, and on some machines from row to row of a batch. With one shape for
    all, a row's probabilities at some place of a batch are the same to the last bit whatever rows are beside it; the scorer begins its
    batches at places that depend on the source alone.

    Returns:
        uint8 [`BATCH_ROWS`, L]; codes_BL itself where it is full.
    """
    missing = BATCH_ROWS - len(codes_BL)
    return np.pad(codes_BL, ((0, missing), (0, 0)), constant_values=fill) if missing else codes_BL


def load_predictor(run: Path, model: Model, *, engine: Engine, device: Device, num_threads: int) -> Predictor:
    """Load a run's model into an engine.

    Args:
        run: The run's folder.
        model: Its `model.json`.
        engine: ``folded`` needs no torch; ``auto`` takes it, unless there is a CUDA device to use.
        device: For the torch engine; ``cuda`` makes ``auto`` choose torch.
        num_threads: To compute with.

    Raises:
        MissingError: torch or the device is not there.
        InputError: The weights are corrupt.
    """
    weights = read_weights(run, model)
    if engine == "auto":
        engine = "torch" if device == "cuda" or (device == "auto" and _has_cuda()) else "folded"
    if engine == "folded":
        from model.folded import FoldedPredictor

        return FoldedPredictor(model, weights, num_threads=num_threads)
    if find_spec("torch") is None:
        raise MissingError(
            "--engine torch: torch is not installed; pip install '.[train]' in charmill's checkout, or use --engine folded"
        )
    from model.torch_predictor import TorchPredictor

    return TorchPredictor(model, weights, device=device, num_threads=num_threads)


def _has_cuda() -> bool:
    """Whether torch is installed and sees a CUDA device; asks torch, which takes seconds to import, only where a driver is loaded."""
    if find_spec("torch") is None or not Path("/proc/driver/nvidia").exists():
        return False
    import torch

    return torch.cuda.is_available()
