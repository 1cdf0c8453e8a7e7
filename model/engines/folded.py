"""The folded engine: every architecture without torch, in NumPy and Numba, for installs that only score.

An architecture's factory folds the weights once; here the folded network runs on slices of rows, in threads.
N rows, L max_length, K classes.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from model.architectures.registry import fold_network
from model.architectures.trained import Model, Probabilities, Weights
from pipeline.errors import InputError
from pipeline.text.alphabet import Codes

TASK_ROWS = 2048  # Of a slice: enough to sort by length, few enough that one block of the scorer busies all threads.
LEAST_TASK_ROWS = 256  # Fewer are done before another thread has woken up.


def require_fitting(model: Model, weights: Weights) -> None:
    """Check that weights fit the architecture, the profile and the labels of their model.

    Raises:
        InputError: A weight is missing, unknown, or of another shape.
    """
    expected = model.architecture.weight_shapes(model.profile, len(model.labels))
    for name in sorted(expected.keys() | weights.keys()):
        wanted, got = expected.get(name), weights[name].shape if name in weights else None
        if wanted != got:
            raise InputError(
                f"the weights do not fit the architecture: {name} is {_shape(got)}, expected {_shape(wanted)}; train again"
            )


def _shape(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else " x ".join(map(str, shape))


class FoldedPredictor:
    """Predicts without torch what the network would, but for rounding.

    A row's probabilities do not depend on the rows beside it, on its place among them or on the number of threads, to the last bit.

    Args:
        model: What was trained.
        weights: The model's.
        num_threads: How many slices of rows run at once.
        least_task_rows: Rows of the smallest slice.

    Raises:
        InputError: The weights do not fit the architecture.
    """

    def __init__(
        self, model: Model, weights: Weights, *, num_threads: int, least_task_rows: int = LEAST_TASK_ROWS
    ) -> None:
        require_fitting(model, weights)
        self._network = fold_network(model, weights)
        self._profile = model.profile
        self._num_classes = len(model.labels)
        self._num_threads = num_threads
        self._least_task_rows = least_task_rows
        self._pool = ThreadPoolExecutor(num_threads) if num_threads > 1 else None
        self.name = "folded on cpu"

    def predict(self, codes_NL: Codes) -> Probabilities:
        """Uint8 [N, L] to float32 [N, K], rows summing to 1, owned by the caller.

        Raises:
            InputError: The codes are not of the model's profile.
        """
        self._require_fitting_codes(codes_NL)
        codes_NL = np.ascontiguousarray(codes_NL).view()
        codes_NL.flags.writeable = False  # Of the view; so Numba compiles one version, whether or not the caller's is.
        probabilities_NK = np.empty((len(codes_NL), self._num_classes), np.float32)
        num_rows = min(TASK_ROWS, max(self._least_task_rows, -(-len(codes_NL) // self._num_threads)))

        def predict_slice(start: int) -> None:
            self._network.predict(codes_NL[start : start + num_rows], probabilities_NK[start : start + num_rows])

        starts = range(0, len(codes_NL), num_rows)
        run = map if self._pool is None or len(starts) < 2 else self._pool.map
        for _ in run(predict_slice, starts):
            pass
        return probabilities_NK

    def _require_fitting_codes(self, codes_NL: Codes) -> None:
        """Refuse codes that kernels would look up outside of their tables."""
        profile = self._profile
        if codes_NL.dtype != np.uint8 or codes_NL.ndim != 2 or codes_NL.shape[1] != profile.max_length:
            raise InputError(
                f"codes are {codes_NL.dtype} {_shape(codes_NL.shape)}, expected uint8 rows of {profile.max_length}; "
                f"encode with profile {profile.name}"
            )
        if len(codes_NL) and codes_NL.max() > profile.fill:
            raise InputError(f"code {codes_NL.max()}: expected 0 to {profile.fill}; encode with profile {profile.name}")
