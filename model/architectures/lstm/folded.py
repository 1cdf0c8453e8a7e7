"""The `lstm` network folded for scoring without torch: what can be computed before any text arrives is computed once, on loading.

What a position gives to the first layer's gates depends on its code alone, so the embedding, its product with the input weights and both
biases become a row of a table for each code. Weights are laid out in blocks of 16 units, all four gates of a block side by side.
`kernel.py` runs on what is made here. H hidden, W width of a layer's input, U blocks, K classes.
"""

import numpy as np
import numpy.typing as npt

from model.architectures.lstm.config import LstmConfig
from model.architectures.lstm.kernel import GATES, LstmWeights, predict_lstm
from model.architectures.trained import Model, Weights
from model.kernels.product import TILE, Floats, aligned, pack, padded
from model.kernels.vector import LANES
from pipeline.text.alphabet import Codes

MAX_BATCH_ROWS = 8 * TILE
OUTPUT_BYTES = 8 << 20  # Room for what a layer hands to the next one; of long rows, fewer go in a batch.

_Doubles = npt.NDArray[np.float64]


class FoldedLstm:
    """The network, ready to predict without torch.

    Args:
        model: What was trained.
        config: Its sizes.
        weights: The model's; they fit.

    Attributes:
        batch_rows: Rows that are computed together, fewer where they are long; no number of the result depends on it.
    """

    def __init__(self, model: Model, config: LstmConfig, weights: Weights) -> None:
        self._fill = model.profile.fill
        doubles = {name: array.astype(np.float64) for name, array in weights.items()}
        width = padded(config.hidden)
        places = [[f"lstms.{layer}.{way}." for way in ("ahead", "back")] for layer in range(config.layers)]
        biases = [[doubles[at + "bias_ih_l0"] + doubles[at + "bias_hh_l0"] for at in both] for both in places]
        linear, bias = _fold_linear(doubles, model.temperature, config.hidden)
        self._weights = LstmWeights(
            table=_stack(
                [
                    _by_blocks(doubles["embedding.weight"] @ doubles[at + "weight_ih_l0"].T + bias_4H)
                    for at, bias_4H in zip(places[0], biases[0], strict=True)
                ]
            ),
            recurrent=_stack([_stack([_pack(doubles[at + "weight_hh_l0"]) for at in both]) for both in places]),
            inputs=_stack(
                [_stack([_pack(_spaced(doubles[at + "weight_ih_l0"], width)) for at in both]) for both in places[1:]],
                or_shape=(0, 2, width // 4, 2 * width, LANES),
            ),
            biases=_stack(
                [_stack([_by_blocks(bias_4H[None])[0] for bias_4H in both]) for both in biases[1:]],
                or_shape=(0, 2, width // LANES, GATES),
            ),
            linear=linear,
            bias=bias,
            hidden=config.hidden,
        )
        row_bytes = 2 * model.profile.max_length * 2 * width * 4 if config.layers > 1 else 1
        self.batch_rows = min(MAX_BATCH_ROWS, max(1, OUTPUT_BYTES // row_bytes // TILE) * TILE)

    def predict(self, codes_BL: Codes, probabilities_BK: Floats) -> None:
        """See `FoldedNetwork.predict`."""
        predict_lstm(codes_BL, self._fill, self._weights, self.batch_rows, probabilities_BK)


def _by_blocks(columns_N4H: _Doubles) -> _Doubles:
    """Bring the columns of torch's four gates, [N, 4 H], into blocks, [N, U, 64]; surplus units are 0."""
    num_rows, hidden = len(columns_N4H), columns_N4H.shape[1] // 4
    gates = np.zeros((num_rows, 4, padded(hidden)))
    gates[:, :, :hidden] = columns_N4H.reshape(num_rows, 4, hidden)
    return gates.reshape(num_rows, 4, -1, LANES).transpose(0, 2, 1, 3).reshape(num_rows, -1, GATES)


def _pack(weight_4HW: _Doubles) -> Floats:
    """Lay one of torch's matrices, [4 H, W], out for `multiply_tile`, four panels a block."""
    return pack(_by_blocks(weight_4HW.T).reshape(weight_4HW.shape[1], -1))


def _spaced(weight_4HW: _Doubles, width: int) -> _Doubles:
    """Fill each direction's units, the halves of the last axis [2 H], up to whole blocks."""
    spaced = np.zeros((*weight_4HW.shape[:-1], 2, width))
    hidden = weight_4HW.shape[-1] // 2
    spaced[..., :hidden] = weight_4HW.reshape(*weight_4HW.shape[:-1], 2, hidden)
    return spaced.reshape(*weight_4HW.shape[:-1], 2 * width)


def _fold_linear(w: dict[str, _Doubles], temperature: float, hidden: int) -> tuple[Floats, Floats]:
    weight_K4H = w["linear.weight"] / temperature
    num_classes = len(weight_K4H)
    spaced_K22 = _spaced(weight_K4H.reshape(num_classes, 2, 2 * hidden), padded(hidden))
    bias = aligned((padded(num_classes),))
    bias[:num_classes] = w["linear.bias"] / temperature
    return pack(spaced_K22.reshape(num_classes, -1).T), bias


def _stack(arrays: list[npt.NDArray[np.floating]], or_shape: tuple[int, ...] = ()) -> Floats:
    """Stack arrays of one shape, float32, aligned; without any, make an empty array."""
    stacked = aligned((len(arrays), *arrays[0].shape) if arrays else or_shape)
    for index, array in enumerate(arrays):
        stacked[index] = array
    return stacked
