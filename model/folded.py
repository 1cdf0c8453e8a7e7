"""The folded engine: every architecture without torch, in NumPy and Numba, for installs that only score.

A one-hot row times a weight matrix is a row of that matrix, so the first convolution folds into table look-ups. N rows, B batch,
L max_length, C channels, K classes.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import numpy.typing as npt

from model.architecture import CharCnnConfig, NgramConfig
from model.ngram_hash import BASE, INVERSE, powers, word_codes
from model.ngram_kernel import sum_ngrams
from model.predictor import BATCH_ROWS, Probabilities, full_batch
from model.runfile import Model, Weights
from pipeline.alphabet import Codes
from pipeline.errors import InputError

Floats = npt.NDArray[np.float32]

_NORM_EPSILON = np.float32(1e-5)  # torch.nn.LayerNorm's


class _Logits(Protocol):
    def logits(self, codes_BL: Codes) -> Floats: ...


def require_fitting(model: Model, weights: Weights) -> None:
    """Hold weights against the architecture, the profile and the labels of their model.

    Raises:
        InputError: A weight is missing, too much, or of another shape.
    """
    config, profile, num_classes = model.architecture, model.profile, len(model.labels)
    layers: dict[str, tuple[int, ...]]
    if isinstance(config, CharCnnConfig):
        layers = {
            "conv_1": (config.channels_1, profile.num_codes, 3),
            "norm_1": (config.channels_1,),
            "conv_2": (config.channels_2, config.channels_1, 3),
            "norm_2": (config.channels_2,),
            "linear_1": (config.hidden, profile.max_length * config.channels_2),
            "linear_2": (num_classes, config.hidden),
        }
    else:
        layers = {"bag": (config.buckets + 1, config.dim), "linear": (num_classes, config.dim)}
    expected = {f"{name}.weight": shape for name, shape in layers.items()}
    expected |= {f"{name}.bias": shape[:1] for name, shape in layers.items() if name != "bag"}
    for name in sorted(expected.keys() | weights.keys()):
        wanted, got = expected.get(name), weights[name].shape if name in weights else None
        if wanted != got:
            raise InputError(
                f"the weights do not fit the architecture: {name} is {_shape(got)}, expected {_shape(wanted)}; train again"
            )


def _shape(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else " x ".join(map(str, shape))


class FoldedPredictor:
    """Computes what the network would, but for rounding.

    Args:
        model: What was trained.
        weights: Its weights.
        num_threads: Batches run side by side in so many threads.

    Raises:
        InputError: The weights do not fit the architecture.
    """

    def __init__(self, model: Model, weights: Weights, *, num_threads: int) -> None:
        require_fitting(model, weights)
        self._network: _Logits = (
            _CharCnn(model, weights)
            if isinstance(model.architecture, CharCnnConfig)
            else _Ngram(model, model.architecture, weights)
        )
        self._temperature = np.float32(model.temperature)
        self._fill = model.profile.fill
        self._num_classes = len(model.labels)
        self._pool = ThreadPoolExecutor(num_threads)
        self.name = "folded on cpu"

    def predict(self, codes_NL: Codes) -> Probabilities:
        """Uint8 [N, L] to float32 [N, K], rows summing to 1, owned by the caller."""
        probabilities_NK = np.empty((len(codes_NL), self._num_classes), np.float32)

        def fill(start: int) -> None:
            codes_BL = codes_NL[start : start + BATCH_ROWS]
            logits_BK = self._network.logits(full_batch(codes_BL, self._fill))[: len(codes_BL)]
            probabilities_NK[start : start + BATCH_ROWS] = _softmax(logits_BK / self._temperature)

        for _ in self._pool.map(fill, range(0, len(codes_NL), BATCH_ROWS)):
            pass
        return probabilities_NK


class _CharCnn:
    def __init__(self, model: Model, weights: Weights) -> None:
        self._fill = fill = model.profile.fill
        # [3, C, C1]: what a code adds to the position after it, its own, and the one before it. The fill code adds nothing.
        self._tables = np.ascontiguousarray(weights["conv_1.weight"].transpose(2, 1, 0))
        self._tables[:, fill] = 0
        # [3 * C1, C2], for rows of three neighbours.
        channels_2 = weights["conv_2.weight"].shape[0]
        self._conv_2 = np.ascontiguousarray(weights["conv_2.weight"].transpose(2, 1, 0).reshape(-1, channels_2))
        self._weights = weights

    def logits(self, codes_BL: Codes) -> Floats:
        w = self._weights
        padded = np.pad(codes_BL, ((0, 0), (1, 1)), constant_values=self._fill)
        x_BLC = self._tables[0][padded[:, :-2]] + self._tables[1][padded[:, 1:-1]] + self._tables[2][padded[:, 2:]]
        x_BLC = _relu_norm(x_BLC + w["conv_1.bias"], w["norm_1.weight"], w["norm_1.bias"])
        around = np.pad(x_BLC, ((0, 0), (1, 1), (0, 0)))
        neighbours = np.concatenate([around[:, :-2], around[:, 1:-1], around[:, 2:]], axis=2)
        x_BLC = _relu_norm(neighbours @ self._conv_2 + w["conv_2.bias"], w["norm_2.weight"], w["norm_2.bias"])
        hidden = np.maximum(x_BLC.reshape(len(codes_BL), -1) @ w["linear_1.weight"].T + w["linear_1.bias"], 0)
        logits_BK: Floats = hidden @ w["linear_2.weight"].T + w["linear_2.bias"]
        return logits_BK


class _Ngram:
    def __init__(self, model: Model, config: NgramConfig, weights: Weights) -> None:
        length = model.profile.max_length
        self._config = config
        self._fill = model.profile.fill
        self._powers, self._inverse_powers = powers(BASE, length + 1), powers(INVERSE, length + 1)
        self._word_codes = word_codes(model.profile)
        self._table = weights["bag.weight"]
        self._weight, self._bias = weights["linear.weight"], weights["linear.bias"]

    def logits(self, codes_BL: Codes) -> Floats:
        sums_BD = np.empty((len(codes_BL), self._table.shape[1]), np.float32)
        config = self._config
        sum_ngrams(
            codes_BL,
            self._table,
            self._powers,
            self._inverse_powers,
            self._word_codes,
            self._fill,
            config.min_order,
            config.max_order,
            config.word_order,
            sums_BD,
        )
        return sums_BD @ self._weight.T + self._bias


def _relu_norm(x: Floats, weight: Floats, bias: Floats) -> Floats:
    """ReLU, then LayerNorm over the last axis, in float32 as torch does."""
    x = np.maximum(x, 0)
    x -= x.mean(axis=-1, keepdims=True)
    x *= 1 / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + _NORM_EPSILON)
    x *= weight
    x += bias
    return x


def _softmax(logits_BK: Floats) -> Floats:
    exponentials = np.exp(logits_BK - logits_BK.max(axis=1, keepdims=True))
    probabilities: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities
