"""The `charcnn` network as anyone would write it down: one-hot rows and matrices in float64, nothing folded."""

import numpy as np
import numpy.typing as npt

from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.trained import Model, Weights

Doubles = npt.NDArray[np.float64]


def probabilities(model: Model, weights: Weights, codes_NL: npt.NDArray[np.uint8]) -> Doubles:
    """Uint8 [N, L] to float64 [N, K]."""
    w = {name: array.astype(np.float64) for name, array in weights.items()}
    one_hot = np.eye(model.profile.num_codes)
    one_hot[model.profile.fill] = 0
    x_NLC = one_hot[codes_NL]
    for layer in (1, 2):
        x_NLC = _convolve(x_NLC, w[f"conv_{layer}.weight"]) + w[f"conv_{layer}.bias"]
        x_NLC = _normalise(np.maximum(x_NLC, 0), model, w, f"norm_{layer}")
    hidden = np.maximum(x_NLC.reshape(len(codes_NL), -1) @ w["linear_1.weight"].T + w["linear_1.bias"], 0)
    logits = (hidden @ w["linear_2.weight"].T + w["linear_2.bias"]) / model.temperature
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Doubles = exponentials / exponentials.sum(axis=1, keepdims=True)
    return result


def _convolve(x_NLC: Doubles, weight: Doubles) -> Doubles:
    """Position p sees p - 1, p and p + 1; beyond both ends all is zero."""
    num_rows, length, _ = x_NLC.shape
    result = np.zeros((num_rows, length, len(weight)))
    for tap in range(3):
        for position in range(length):
            seen = position + tap - 1
            if 0 <= seen < length:
                result[:, position] += x_NLC[:, seen] @ weight[:, :, tap].T
    return result


def _normalise(x_NLC: Doubles, model: Model, w: dict[str, Doubles], layer: str) -> Doubles:
    assert isinstance(model.architecture, CharCnnConfig)
    if model.architecture.norm == "none":
        return x_NLC
    if model.architecture.norm == "layer":
        mean, variance = x_NLC.mean(axis=-1, keepdims=True), x_NLC.var(axis=-1, keepdims=True)
    else:
        mean, variance = w[f"{layer}.running_mean"], w[f"{layer}.running_var"]
    result: Doubles = (x_NLC - mean) / np.sqrt(variance + 1e-5) * w[f"{layer}.weight"] + w[f"{layer}.bias"]
    return result
