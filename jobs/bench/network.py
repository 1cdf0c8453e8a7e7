"""The article's network, run by others on codes in memory: PyTorch, compiled PyTorch, ONNX Runtime. For jobs.bench only."""

import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any

from jobs.bench.timing import Work

BATCH_SIZES = (64, 256, 1024, 4096)
ONNX_BATCH_ROWS = 256
"""ONNX Runtime hardly minds the size of a batch; of 32 to 4,096 rows this was with the best."""

_TRIALS, _TRIAL_ROWS = 3, 4096
_MATRIX = 1024
"""Rows and columns of the product: large enough for NumPy to come near its best."""


def prepare_forward(run: Path, codes_file: Path, batch_size: int, num_threads: int, *, compiled: bool = False) -> Work:
    """Run the network in batches, on codes uint8 [N, L] in a file."""
    import torch

    torch.set_num_threads(num_threads)
    network, codes_NL = _load(run, codes_file)
    return partial(_forward, torch.compile(network) if compiled else network, codes_NL, batch_size)


def _load(run: Path, codes_file: Path) -> tuple[Any, Any]:
    import numpy as np
    import torch

    from model.architectures.registry import build_network
    from model.runs.model_file import read_model, read_weights

    model = read_model(run)
    network = build_network(model.architecture, model.profile, len(model.labels)).eval()
    network.load_state_dict({name: torch.from_numpy(np.array(w)) for name, w in read_weights(run, model).items()})
    return network, torch.from_numpy(np.load(codes_file))


def _forward(network: Any, codes_NL: Any, batch_size: int) -> None:
    import torch

    with torch.inference_mode():
        for start in range(0, len(codes_NL), batch_size):
            network(codes_NL[start : start + batch_size])


def best_batch_size(run: Path, codes_file: Path, num_threads: int) -> int:
    """The batch size at which PyTorch does most rows a second, of those that divide the rows there are."""
    import torch

    torch.set_num_threads(num_threads)
    network, codes_NL = _load(run, codes_file)
    codes_NL = codes_NL[:_TRIAL_ROWS]
    sizes = [size for size in BATCH_SIZES if len(codes_NL) % size == 0] or [len(codes_NL)]
    seconds: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(1 + _TRIALS):
        for size in sizes:
            started = time.perf_counter()
            _forward(network, codes_NL, size)
            seconds[size].append(time.perf_counter() - started)
    return min(sizes, key=lambda size: statistics.median(seconds[size][1:]))


def export_onnx(run: Path, path: Path) -> None:
    """Let jobs.export write the network."""
    from importlib import import_module

    export: Any = import_module("jobs.export")
    export.run(export.ExportConfig(run, onnx=path))


def prepare_onnx(path: Path, codes_file: Path, batch_size: int, num_threads: int) -> Work:
    """Run an exported network in ONNX Runtime, in batches."""
    from importlib import import_module

    import numpy as np

    onnxruntime: Any = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    # As for everyone else's threads: those that spin while they wait cost it half its speed where other processes want the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    kinds: dict[str, Any] = {"tensor(uint8)": np.uint8, "tensor(int32)": np.int32, "tensor(int64)": np.int64}
    return partial(_run_onnx, session, entry.name, np.load(codes_file).astype(kinds[entry.type]), batch_size)


def _run_onnx(session: Any, name: str, codes_NL: Any, batch_size: int) -> None:
    for start in range(0, len(codes_NL), batch_size):
        session.run(None, {name: codes_NL[start : start + batch_size]})


def prepare_product(num_flops: int, num_threads: int, *, in_torch: bool = False) -> Work:
    """Multiply float32 matrices until so many operations are done, to a product more or less, in NumPy or in PyTorch."""
    import numpy as np

    left, right = np.random.default_rng(0).random((2, _MATRIX, _MATRIX), np.float32)
    times = max(1, round(num_flops / (2 * _MATRIX**3)))
    if not in_torch:
        return partial(_multiply, np.matmul, left, right, np.empty_like(left), times)
    import torch

    torch.set_num_threads(num_threads)
    out = torch.empty((_MATRIX, _MATRIX))
    return partial(_multiply, torch.matmul, torch.from_numpy(left), torch.from_numpy(right), out, times)


def _multiply(product: Any, left: Any, right: Any, out: Any, times: int) -> None:
    for _ in range(times):
        product(left, right, out=out)
