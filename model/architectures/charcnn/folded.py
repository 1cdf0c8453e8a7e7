"""The `charcnn` network folded for scoring without torch: what can be computed before any text arrives is computed once, on loading.

A trigram of codes fixes the first convolution, its ReLU and its LayerNorm at a position, and the second convolution is linear in those.
So with few codes, what each trigram adds to the second convolution is a table, and a position costs three rows of that table.
LayerNorm's weight and bias are linear too and go into the next layer, as does the whole of a BatchNorm. After the text there is only
padding, the same for every row. `kernel.py` runs on what is made here. L max_length, C channels, H hidden, K classes.
"""

import numpy as np
import numpy.typing as npt

from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.charcnn.kernel import Convolutions, Linears, fill_table, predict_by_product, predict_by_table
from model.architectures.charcnn.norm import NORM_EPSILON, channel_scale_and_bias
from model.architectures.trained import Model, Weights
from model.kernels.product import TILE, Floats, aligned, pack, padded
from pipeline.text.alphabet import Codes

# The largest table of trigrams. With one, scoring is 1.7 times as fast (`python -m tests.benchmarks.predictors`). This is room for the seed
# profile up to 128 channels; the ascii profile would need 100 MiB, a sixth of the memory that scoring may take.
TABLE_BYTES = 40 << 20

_Doubles = npt.NDArray[np.float64]


class FoldedCharCnn:
    """The network, ready to predict without torch.

    Args:
        model: What was trained.
        config: Its sizes.
        weights: The model's; they fit.
        table_bytes: The largest table of trigrams; where it would be larger, the second convolution is computed.

    Attributes:
        table: Of trigrams; see `fill_table`. None where it would be larger.
    """

    def __init__(
        self, model: Model, config: CharCnnConfig, weights: Weights, *, table_bytes: int = TABLE_BYTES
    ) -> None:
        doubles = {name: array.astype(np.float64) for name, array in weights.items()}
        for layer in ("norm_1", "norm_2"):
            scale, bias = channel_scale_and_bias(config.norm, weights, layer)
            doubles |= {f"{layer}.weight": scale, f"{layer}.bias": bias}
        is_centred = config.norm == "layer"
        self._fill, num_codes = model.profile.fill, model.profile.num_codes
        taps_3C = _taps(doubles)
        self._convolutions = _fold_convolutions(
            doubles, taps_3C, model.profile.max_length, self._fill, is_centred=is_centred
        )
        padding_LC = _padding_features(doubles, model.profile.max_length, is_centred=is_centred)
        self._linears = _fold_linears(doubles, padding_LC, model.temperature, is_centred=is_centred)
        width = self._linears.mask.shape[0]
        num_rows = -(-(num_codes**3) // TILE) * TILE + 1
        self.table: Floats | None = None
        if num_rows * 3 * width * 4 <= table_bytes:
            self.table = aligned((num_rows, 3, width))
            self.table[: num_codes**3, :, : taps_3C.shape[1]] = taps_3C
            fill_table(self._convolutions, self.table)

    def predict(self, codes_BL: Codes, probabilities_BK: Floats) -> None:
        """See `FoldedNetwork.predict`."""
        if self.table is None:
            predict_by_product(codes_BL, self._fill, self._convolutions, self._linears, probabilities_BK)
        else:
            num_codes = self._convolutions.num_codes
            predict_by_table(codes_BL, self._fill, num_codes, self.table, self._linears, probabilities_BK)


def _taps(w: dict[str, _Doubles]) -> _Doubles:
    """What the second convolution gets, whatever the codes, from the position before, its own, and the one after, [3, C]."""
    taps_3C = np.tensordot(w["conv_2.weight"], w["norm_1.bias"], axes=(1, 0)).T.copy()
    taps_3C[1] += w["conv_2.bias"]
    return taps_3C


def _fold_convolutions(
    w: dict[str, _Doubles], taps_3C: _Doubles, length: int, fill: int, *, is_centred: bool
) -> Convolutions:
    channels_1, num_codes, _ = w["conv_1.weight"].shape
    channels_2 = len(w["conv_2.weight"])
    conv_1 = aligned((3, num_codes, padded(channels_1)))
    conv_1[:, :, :channels_1] = w["conv_1.weight"].transpose(2, 1, 0)
    conv_1[:, fill] = 0
    conv_1[1, :, :channels_1] += w["conv_1.bias"].astype(np.float32)
    conv_2 = (w["conv_2.weight"] * w["norm_1.weight"][:, None]).transpose(2, 1, 0)
    bias_2 = aligned((length, padded(channels_2)))
    bias_2[:, :channels_2] = taps_3C.sum(axis=0)
    bias_2[0, :channels_2] -= taps_3C[0]
    bias_2[-1, :channels_2] -= taps_3C[2]
    return Convolutions(
        conv_1=conv_1,
        mask=_mask(channels_1),
        channels=channels_1,
        is_centred=is_centred,
        conv_2=np.stack([pack(tap) for tap in conv_2]),
        bias_2=bias_2,
        num_codes=num_codes,
    )


def _fold_linears(w: dict[str, _Doubles], padding_LC: _Doubles, temperature: float, *, is_centred: bool) -> Linears:
    hidden, classes = len(w["linear_1.weight"]), len(w["linear_2.weight"])
    length, channels = padding_LC.shape
    linear_1_HLC = w["linear_1.weight"].reshape(hidden, length, channels)
    added_LH = np.einsum("hlc,lc->lh", linear_1_HLC, padding_LC * w["norm_2.weight"])
    start = aligned((length + 1, padded(hidden)))
    start[:, :hidden] = w["linear_1.bias"] + linear_1_HLC.sum(axis=1) @ w["norm_2.bias"]
    start[:length, :hidden] += np.cumsum(added_LH[::-1], axis=0)[::-1]
    bias = aligned((padded(classes),))
    bias[:classes] = w["linear_2.bias"] / temperature
    return Linears(
        mask=_mask(channels),
        channels=channels,
        is_centred=is_centred,
        linear_1=np.stack([pack(part.T) for part in (linear_1_HLC * w["norm_2.weight"]).transpose(1, 0, 2)]),
        start=start,
        hidden=hidden,
        linear_2=pack(w["linear_2.weight"].T / temperature),
        bias=bias,
    )


def _padding_features(w: dict[str, _Doubles], length: int, *, is_centred: bool) -> _Doubles:
    """The features, without norm_2's weight and bias, of each position of a row of padding alone, [L, C]."""
    normed = _relu_norm(w["conv_1.bias"], is_centred=is_centred) * w["norm_1.weight"] + w["norm_1.bias"]
    given_3C = np.tensordot(w["conv_2.weight"], normed, axes=(1, 0)).T
    sums_LC = np.tile(given_3C.sum(axis=0) + w["conv_2.bias"], (length, 1))
    sums_LC[0] -= given_3C[0]
    sums_LC[-1] -= given_3C[2]
    return _relu_norm(sums_LC, is_centred=is_centred)


def _relu_norm(x: _Doubles, *, is_centred: bool) -> _Doubles:
    x = np.maximum(x, 0)
    if not is_centred:
        return x
    centred = x - x.mean(axis=-1, keepdims=True)
    normed: _Doubles = centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + NORM_EPSILON)
    return normed


def _mask(channels: int) -> Floats:
    mask = aligned((padded(channels),))
    mask[:channels] = 1
    return mask
