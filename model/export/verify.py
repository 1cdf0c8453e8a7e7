"""The verification of an ONNX file: what it computes is compared with the folded engine. Needs onnx and onnxruntime."""

from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors

from model.architectures.trained import Probabilities
from model.engines.predictor import Predictor
from pipeline.errors import CharmillError, InputError
from pipeline.text.alphabet import Codes

TOLERANCE = 1e-5
BATCHES = (1, 2, 7, 64, 300)  # Several sizes, since runtimes choose kernels by the shape.
MAX_BATCH_CODES = 1 << 18  # Codes of a batch, so that long rows do not take gigabytes.

_ONLY_ERRORS = 3
_RUNTIME_ERRORS = (
    runtime_errors.Fail,
    runtime_errors.InvalidArgument,
    runtime_errors.InvalidGraph,
    runtime_errors.InvalidProtobuf,
    runtime_errors.NotImplemented,
    runtime_errors.RuntimeException,
)


class VerificationError(CharmillError):
    """A file is not valid ONNX, or computes something else than its model: a defect of charmill or of the runtime."""


def max_difference(
    path: Path,
    predictor: Predictor,
    codes_NL: Codes,
    *,
    where: str,
    num_threads: int,
    on_rows: Callable[[int, int], None],
) -> float:
    """Check a file against the ONNX standard, run it, and compare what it computes.

    Args:
        path: The file.
        predictor: What it must agree with.
        codes_NL: uint8 [N, L], to run it on.
        where: The file's name in messages.
        num_threads: Threads to run it with.
        on_rows: Told how many row comparisons are done, and how many there will be.

    Returns:
        The largest difference of a probability, at most `TOLERANCE`.

    Raises:
        VerificationError: The file is invalid, or differs by more.
        InputError: The model itself gives probabilities that are not finite.
    """
    expected_NK = predictor.predict(codes_NL)
    if not np.isfinite(expected_NK).all():
        raise InputError(f"{where}: the model gives probabilities that are no numbers; train again with a smaller --lr")
    largest, num_compared = 0.0, 0
    data = path.read_bytes()  # Neither library takes every name that a file may have.
    try:
        onnx.checker.check_model(data, full_check=True)
        session = open_session(data, num_threads=num_threads)
        for rows in _batches(*codes_NL.shape):
            (got_BK,) = session.run(["probabilities"], {"codes": codes_NL[rows]})
            largest = max(largest, _difference(got_BK, expected_NK[rows]))
            num_compared += len(got_BK)
            on_rows(num_compared, 2 * len(codes_NL))
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, *_RUNTIME_ERRORS) as error:
        raise VerificationError(
            f"{where}: the ONNX file does not run, so it was not published ({' '.join(str(error).split())}); please report it"
        ) from error
    if largest > TOLERANCE:
        raise VerificationError(
            f"{where}: the ONNX file's probabilities differ from the folded engine's by {largest:.2g}, expected at most "
            f"{TOLERANCE:g}, so it was not published; please report it"
        )
    return largest


def open_session(data: bytes, *, num_threads: int) -> onnxruntime.InferenceSession:
    """Load the bytes of a file into ONNX Runtime on the CPU, quiet except for errors."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = _ONLY_ERRORS
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _batches(num_rows: int, max_length: int) -> Iterator[slice]:
    """All rows in batches of several sizes, and then once more in as few batches as memory allows."""
    most = max(1, MAX_BATCH_CODES // max_length)
    for sizes in (BATCHES, (num_rows,)):
        start = 0
        for size in cycle(sizes):
            if start >= num_rows:
                break
            stop = min(start + min(size, most), num_rows)
            yield slice(start, stop)
            start = stop


def _difference(got_NK: Probabilities, expected_NK: Probabilities) -> float:
    if got_NK.shape != expected_NK.shape or got_NK.dtype != np.float32 or not np.isfinite(got_NK).all():
        return float("inf")
    return float(np.abs(got_NK - expected_NK).max())
