"""The kernel of the `charcnn` network, for scoring without torch: what `network.py` computes, but for rounding.

Rows are sorted by length and go in batches of `BATCH_ROWS`, position by position, so that a position's weights stay in the nearest cache.
`folded.py` makes the arrays, and has summed what the padding after the text adds. N rows, L max_length, C channels, H hidden, K classes;
in float32 arrays C, H and K are filled up to whole vectors.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from model.architectures.charcnn.norm import NORM_EPSILON
from model.kernels.length import Integers, longest_first
from model.kernels.product import TILE, Floats, multiply_tile
from model.kernels.softmax import write_linear_softmax
from model.kernels.vector import (
    LANES,
    add,
    load_16,
    multiply,
    multiply_add,
    positive_part,
    spread,
    store,
    subtract,
    total,
)

BATCH_ROWS = 8 * TILE
REACH = 2  # How far past its end a text changes the features: a position for each convolution.


class Convolutions(NamedTuple):
    """The folded layers from the codes to the second convolution.

    Attributes:
        conv_1: [3, codes, C1]: what a code adds to the position after it, to its own (with the bias), and to the one before it.
        mask: [C1], 1 for a channel, 0 where filled up.
        channels: C1 without the filling.
        is_centred: Whether norm_1 centres and scales a position's channels; if not, all of it is in the weights.
        conv_2: Three packed [C1, C2], for the position before, the same and the one after, with norm_1's weight in them.
        bias_2: [L, C2], the bias, and what norm_1's bias adds from those neighbours that exist.
        num_codes: Codes with the fill code.
    """

    conv_1: Floats
    mask: Floats
    channels: int
    is_centred: bool
    conv_2: Floats
    bias_2: Floats
    num_codes: int


class Linears(NamedTuple):
    """The folded layers from the second convolution to the logits.

    Attributes:
        mask: [C2], 1 for a channel, 0 where filled up.
        channels: C2 without the filling.
        is_centred: Whether norm_2 centres and scales a position's channels.
        linear_1: L packed [C2, H], with norm_2's weight in them.
        start: [L + 1, H]: for each position the bias, and what all positions from there on add when they are padding.
        hidden: H without the filling.
        linear_2: Packed [H, K], divided by the temperature.
        bias: [K], divided by the temperature.
    """

    mask: Floats
    channels: int
    is_centred: bool
    linear_1: Floats
    start: Floats
    hidden: int
    linear_2: Floats
    bias: Floats


@njit(nogil=True, cache=True, inline="always")
def _add_three(a: Floats, at_a: int, b: Floats, at_b: int, c: Floats, at_c: int, x: Floats, at: int, width: int) -> Any:
    """Add three vectors and apply ReLU.

    Returns:
        The sum over all channels.
    """
    sums = spread(np.float32(0))
    for step in range(0, width, LANES):
        part = add(add(load_16(a, at_a + step), load_16(b, at_b + step)), load_16(c, at_c + step))
        part = positive_part(part)
        sums = add(sums, part)
        store(x, at + step, part)
    return total(sums)


@njit(nogil=True, cache=True, inline="always")
def _centre(x: Floats, at: int, mask: Floats, sum_of_all: Any, share: Any, is_centred: bool) -> Any:
    """Subtract the mean, if the norm does.

    Args:
        x: Flat, read and written.
        at: Where the row begins.
        mask: See `Linears`.
        sum_of_all: The row's sum.
        share: 1 / channels.
        is_centred: See `Linears`.

    Returns:
        The factor that gives the row a variance of 1, from differences to the mean, which is the most exact way.
    """
    if not is_centred:
        return np.float32(1)
    mean = spread(sum_of_all * share)
    squares = spread(np.float32(0))
    for step in range(0, mask.shape[0], LANES):
        difference = multiply(subtract(load_16(x, at + step), mean), load_16(mask, step))
        squares = multiply_add(difference, difference, squares)
        store(x, at + step, difference)
    return np.float32(1) / np.sqrt(total(squares) * share + np.float32(NORM_EPSILON))


@njit(nogil=True, cache=True, inline="always", error_model="numpy")
def _first_convolution(before: int, code: int, after: int, convolutions: Convolutions, x: Floats, at: int) -> None:
    """Compute the first convolution, ReLU and norm at a position, without the norm's weight and bias."""
    conv_1, num_codes, mask = convolutions.conv_1, convolutions.num_codes, convolutions.mask
    width = mask.shape[0]
    here, later = (num_codes + code) * width, (2 * num_codes + after) * width
    share = np.float32(1) / np.float32(convolutions.channels)
    sum_of_all = _add_three(conv_1, before * width, conv_1, here, conv_1, later, x, at, width)
    scale = spread(_centre(x, at, mask, sum_of_all, share, convolutions.is_centred))
    for step in range(0, width, LANES):
        store(x, at + step, multiply(load_16(x, at + step), scale))


@njit(nogil=True, cache=True, error_model="numpy")
def fill_table(convolutions: Convolutions, table: Floats) -> None:
    """Add to each trigram's three rows what it adds to the second convolution at the position after, its own, and the one before.

    Args:
        convolutions: The network's.
        table: [trigrams, filled up to whole tiles, 3, C2], added to.
    """
    num_codes, width_1, channels = convolutions.num_codes, convolutions.mask.shape[0], convolutions.channels
    row_width = table.shape[1] * table.shape[2]
    normed = np.zeros(TILE * width_1, np.float32)
    ones = np.ones(TILE, np.float32)
    num_trigrams = num_codes**3
    for tile in range(0, num_trigrams, TILE):
        for index in range(min(TILE, num_trigrams - tile)):
            trigram = tile + index
            before, code, after = trigram // num_codes**2, trigram // num_codes % num_codes, trigram % num_codes
            _first_convolution(before, code, after, convolutions, normed, index * width_1)
        for panel in range(row_width // LANES):
            at = panel * channels * LANES
            to = tile * row_width + panel * LANES
            multiply_tile(normed, 0, width_1, channels, convolutions.conv_2, at, ones, table, to, row_width)


@njit(nogil=True, cache=True, inline="always")
def _add_position(
    position: int, x: Floats, sums: Floats, active: int, linears: Linears, hidden: Floats, row: int
) -> None:
    """Apply the norm to a tile and multiply it by its position's part of linear_1.

    Args:
        position: Of the codes.
        x: [6, C2], after ReLU; centred here if the norm does.
        sums: float32 [6], over the channels; overwritten.
        active: How many of the rows count; the others add nothing.
        linears: The network's.
        hidden: [rows, H], added to.
        row: Where in hidden the tile begins.
    """
    share = np.float32(1) / np.float32(linears.channels)
    channels, width = linears.channels, linears.mask.shape[0]
    for index in range(TILE):
        # LayerNorm's scale is applied after the product, so that nothing waits for the square root meanwhile.
        scale = _centre(x, index * width, linears.mask, sums[index], share, linears.is_centred)
        sums[index] = scale if index < active else np.float32(0)
    hidden_width = linears.start.shape[1]
    for panel in range(hidden_width // LANES):
        at = (position * hidden_width + panel * LANES) * channels
        to = row * hidden_width + panel * LANES
        multiply_tile(x, 0, width, channels, linears.linear_1, at, sums, hidden, to, hidden_width)


@njit(nogil=True, cache=True, error_model="numpy")
def _write_probabilities(hidden: Floats, rows: Integers, linears: Linears, probabilities_NK: Floats) -> None:
    """Apply ReLU, linear_2 and softmax to a batch."""
    for step in range(0, hidden.shape[0], LANES):
        store(hidden, step, positive_part(load_16(hidden, step)))
    width = linears.start.shape[1]
    write_linear_softmax(hidden, width, linears.hidden, linears.linear_2, linears.bias, rows, probabilities_NK)


@njit(nogil=True, cache=True, error_model="numpy")
def predict_by_table(
    codes_NL: npt.NDArray[np.uint8],
    fill: int,
    num_codes: int,
    table: Floats,
    linears: Linears,
    probabilities_NK: Floats,
) -> None:
    """Turn codes into probabilities, with three rows of a table for each position.

    Args:
        codes_NL: uint8 [N, L], none above the fill code.
        fill: The code after the text.
        num_codes: Codes with the fill code.
        table: [trigrams + 1 or more, 3, C2], from `fill_table`; the last row is zero.
        linears: The network's.
        probabilities_NK: float32 [N, K], written.
    """
    length, width = codes_NL.shape[1], linears.mask.shape[0]
    hidden_width = linears.start.shape[1]
    nothing = table.shape[0] - 1
    used, order = longest_first(codes_NL, fill, REACH)
    # The trigrams of a batch: that of position p is in row p + 1, and beyond both ends stands the zero row.
    trigrams = np.full((length + 2, BATCH_ROWS), nothing, np.int32)
    x, sums = np.zeros(TILE * width, np.float32), np.zeros(TILE, np.float32)
    hidden = np.zeros(BATCH_ROWS * hidden_width, np.float32)
    for first in range(0, len(order), BATCH_ROWS):
        rows = order[first : first + BATCH_ROWS]
        for index in range(len(rows)):
            row = rows[index]
            hidden[index * hidden_width : (index + 1) * hidden_width] = linears.start[used[row]]
            code, after = np.int64(fill), np.int64(codes_NL[row, 0])
            for position in range(min(used[row] + 1, length)):
                before, code = code, after
                after = np.int64(codes_NL[row, position + 1]) if position + 1 < length else np.int64(fill)
                trigrams[position + 1, index] = (before * num_codes + code) * num_codes + after
        active = len(rows)
        for position in range(used[rows[0]]):
            while used[rows[active - 1]] <= position:
                active -= 1
            for tile in range(0, active, TILE):
                for index in range(min(TILE, active - tile)):
                    before = np.int64(trigrams[position, tile + index]) * 3 * width
                    here = (np.int64(trigrams[position + 1, tile + index]) * 3 + 1) * width
                    after = (np.int64(trigrams[position + 2, tile + index]) * 3 + 2) * width
                    sums[index] = _add_three(table, before, table, here, table, after, x, index * width, width)
                _add_position(position, x, sums, active - tile, linears, hidden, tile)
        _write_probabilities(hidden, rows, linears, probabilities_NK)


@njit(nogil=True, cache=True, error_model="numpy")
def predict_by_product(
    codes_NL: npt.NDArray[np.uint8],
    fill: int,
    convolutions: Convolutions,
    linears: Linears,
    probabilities_NK: Floats,
) -> None:
    """Turn codes into probabilities where a table of trigrams would be too large: the second convolution is a product.

    Args:
        codes_NL: uint8 [N, L], none above the fill code.
        fill: The code after the text.
        convolutions: The network's.
        linears: The network's.
        probabilities_NK: float32 [N, K], written.
    """
    length, width = codes_NL.shape[1], linears.mask.shape[0]
    hidden_width, width_1, channels_1 = linears.start.shape[1], convolutions.mask.shape[0], convolutions.channels
    used, order = longest_first(codes_NL, fill, REACH)
    # The positions before, here and after take turns in the three places.
    normed = np.zeros(3 * BATCH_ROWS * width_1, np.float32)
    x, sums = np.zeros(TILE * width, np.float32), np.zeros(TILE, np.float32)
    zeros, ones = np.zeros(width, np.float32), np.ones(TILE, np.float32)
    hidden = np.zeros(BATCH_ROWS * hidden_width, np.float32)
    for first in range(0, len(order), BATCH_ROWS):
        rows = order[first : first + BATCH_ROWS]
        normed[2 * BATCH_ROWS * width_1 :] = 0  # Before the first position.
        for index in range(len(rows)):
            hidden[index * hidden_width : (index + 1) * hidden_width] = linears.start[used[rows[index]]]
            second = codes_NL[rows[index], 1] if length > 1 else fill
            _first_convolution(fill, codes_NL[rows[index], 0], second, convolutions, normed, index * width_1)
        active = len(rows)
        for position in range(used[rows[0]]):
            while used[rows[active - 1]] <= position:
                active -= 1
            place = (position + 1) % 3 * BATCH_ROWS
            for index in range(active):
                at = (place + index) * width_1
                if position + 1 == length:
                    normed[at : at + width_1] = 0
                    continue
                after = codes_NL[rows[index], position + 2] if position + 2 < length else fill
                codes_L = codes_NL[rows[index]]
                _first_convolution(codes_L[position], codes_L[position + 1], after, convolutions, normed, at)
            for tile in range(0, active, TILE):
                x[:] = 0
                for tap in range(3):
                    row = ((position + tap + 2) % 3 * BATCH_ROWS + tile) * width_1
                    for panel in range(width // LANES):
                        at = (tap * width + panel * LANES) * channels_1
                        to = panel * LANES
                        multiply_tile(normed, row, width_1, channels_1, convolutions.conv_2, at, ones, x, to, width)
                for index in range(min(TILE, active - tile)):
                    at = index * width
                    sums[index] = _add_three(x, at, convolutions.bias_2, position * width, zeros, 0, x, at, width)
                _add_position(position, x, sums, active - tile, linears, hidden, tile)
        _write_probabilities(hidden, rows, linears, probabilities_NK)
