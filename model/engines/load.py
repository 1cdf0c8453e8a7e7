"""The choice of an engine: a run loaded into the folded or the torch engine, with torch imported only if it is used."""

from importlib.util import find_spec
from pathlib import Path

from model.architectures.trained import Model
from model.engines.predictor import Device, Engine, Predictor
from model.runs.model_file import read_weights
from pipeline.errors import MissingError


def load_predictor(run: Path, model: Model, *, engine: Engine, device: Device, num_threads: int) -> Predictor:
    """Load a run's model into an engine.

    Args:
        run: The run's folder.
        model: Its `model.json`.
        engine: ``folded`` needs no torch; ``auto`` takes it unless there is a CUDA device to use.
        device: For the torch engine; ``cuda`` makes ``auto`` choose torch.
        num_threads: Threads to compute with.

    Raises:
        MissingError: torch is not installed, or the device is not there.
        InputError: The weights are damaged, or do not fit the model.
    """
    weights = read_weights(run, model)
    if engine == "auto":
        engine = "torch" if device == "cuda" or (device == "auto" and has_cuda()) else "folded"
    if engine == "folded":
        from model.engines.folded import FoldedPredictor

        return FoldedPredictor(model, weights, num_threads=num_threads)
    if find_spec("torch") is None:
        raise MissingError(
            "--engine torch: torch is not installed; pip install '.[train]' in charmill's checkout, or use --engine folded"
        )
    from model.engines.torch_predictor import TorchPredictor

    return TorchPredictor(model, weights, device=device, num_threads=num_threads)


def has_cuda() -> bool:
    """Whether torch is installed and sees a CUDA device; imports torch, which takes seconds, only where a driver is loaded."""
    if find_spec("torch") is None or not Path("/proc/driver/nvidia").exists():
        return False
    import torch

    return torch.cuda.is_available()
