"""The norms of the `charcnn` network in evaluation, as a scale and a bias for each channel. Needs no torch. C channels.

Folding needs them: they can go into the weights of the next layer. LayerNorm centres and scales a position's channels first.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from model.architectures.trained import Weights

NORM_EPSILON = 1e-5
BATCH_MOMENTUM = 0.1  # The share of a batch's own mean and variance in the running ones.

_Doubles = npt.NDArray[np.float64]


def channel_scale_and_bias(norm: str, weights: "Weights", layer: str) -> tuple[_Doubles, _Doubles]:
    """What a norm multiplies each channel by in evaluation, and what it then adds.

    Args:
        norm: One of `NORMS`; for ``layer``, what follows centring and scaling.
        weights: Of the network.
        layer: The norm's name in the weights, also where it is ``none``.

    Returns:
        float64 [C] and float64 [C].
    """
    if norm == "none":
        channels = len(weights[f"{layer.replace('norm', 'conv')}.bias"])
        return np.ones(channels), np.zeros(channels)
    scale, bias = (weights[f"{layer}.{name}"].astype(np.float64) for name in ("weight", "bias"))
    if norm == "batch":
        mean, variance = (weights[f"{layer}.running_{name}"].astype(np.float64) for name in ("mean", "var"))
        scale = scale / np.sqrt(variance + NORM_EPSILON)
        bias = bias - mean * scale
    return scale, bias
