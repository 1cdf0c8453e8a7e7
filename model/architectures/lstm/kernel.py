"""The kernel of the `lstm` network, for scoring without torch: what `network.py` computes, but for rounding.

Rows are sorted by length and go in batches, step by step and in each direction, so that the weights of 16 units stay in the nearest cache
for all rows of a batch. What a code gives to the gates of the first layer is a row of a table. `folded.py` makes the arrays. N rows,
L max_length, H hidden, U blocks of 16 units, K classes; H is filled up to whole blocks, whose surplus units stay 0.

A block's gates are 64 columns: 16 each of input, forget, cell and output.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from model.architectures.lstm.gate_kernel import hyperbolic_tangent, logistic
from model.kernels.length import Integers, longest_first
from model.kernels.product import TILE, Floats, multiply_tile
from model.kernels.softmax import write_linear_softmax
from model.kernels.vector import LANES, add, larger, load_16, multiply, multiply_add, spread, store

GATES = 4 * LANES


class LstmWeights(NamedTuple):
    """The folded weights of the network.

    Attributes:
        table: [2, codes, U, 64]: what each code gives to the gates of the first layer, with its biases.
        recurrent: Packed [H, 4 H] of every layer and direction: [layers, 2, 4 U, H, 16].
        inputs: Packed [2 H, 4 H] of all layers but the first: [layers - 1, 2, 4 U, 2 H, 16].
        biases: [layers - 1, 2, U, 64].
        linear: Packed [4 H, K], divided by the temperature; mean ahead, mean back, maximum ahead, maximum back.
        bias: [K], filled up, divided by the temperature.
        hidden: H without the filling.
    """

    table: Floats
    recurrent: Floats
    inputs: Floats
    biases: Floats
    linear: Floats
    bias: Floats
    hidden: int


@njit(nogil=True, cache=True)
def _copy(source: Floats, at: int, target: Floats, to: int, width: int) -> None:
    for step in range(0, width, LANES):
        store(target, to + step, load_16(source, at + step))


@njit(nogil=True, cache=True)
def _place(outputs: Floats, turn: int, index: int, position: int) -> int:
    """Where the outputs of a position begin."""
    num_rows, longest, width = outputs.shape[1:]
    place: int = ((turn * num_rows + index) * longest + position) * width
    return place


@njit(nogil=True, cache=True)
def _advance(gates: Floats, at: int, cells: Floats, cell: int, states: Floats, state: int) -> None:
    """Take 16 units a step further: c = forget * c + input * tanh(cell), h = output * tanh(c)."""
    entering = multiply(logistic(load_16(gates, at)), hyperbolic_tangent(load_16(gates, at + 2 * LANES)))
    kept = multiply_add(logistic(load_16(gates, at + LANES)), load_16(cells, cell), entering)
    store(cells, cell, kept)
    store(states, state, multiply(logistic(load_16(gates, at + 3 * LANES)), hyperbolic_tangent(kept)))


@njit(nogil=True, cache=True, error_model="numpy")
def _step(
    weights: LstmWeights,
    layer: int,
    direction: int,
    codes: npt.NDArray[np.uint8],
    x: Floats,
    cells: Floats,
    states: Floats,
    before: int,
    after: int,
) -> None:
    """Take one direction of a layer a position further, in all active rows.

    Args:
        weights: The network's.
        layer: From 0.
        direction: 0 or 1.
        codes: uint8 [active], read by the first layer.
        x: float32 [active or more, 2 H], flat, read by the others.
        cells: float32 [rows, H], flat, read and written.
        states: float32 [2, rows, H], flat.
        before: Where the states that are read begin.
        after: Where those that are written begin.
    """
    active, num_blocks, num_codes = len(codes), weights.table.shape[2], weights.table.shape[1]
    width = num_blocks * LANES
    gates, ones = np.empty(TILE * GATES, np.float32), np.ones(TILE, np.float32)
    for block in range(num_blocks):
        for tile in range(0, active, TILE):
            count = min(TILE, active - tile)
            for index in range(TILE):
                # Surplus rows of the tile are computed like its first one, and dropped.
                code = codes[tile + index] if index < count else codes[tile]
                start = ((direction * num_codes + code) * num_blocks + block) * GATES
                if layer:
                    start = (((layer - 1) * 2 + direction) * num_blocks + block) * GATES
                for step in range(0, GATES, LANES):
                    part = load_16(weights.biases, start + step) if layer else load_16(weights.table, start + step)
                    store(gates, index * GATES + step, part)
            for gate in range(4):
                panel = ((layer * 2 + direction) * num_blocks + block) * 4 + gate
                at, to = panel * weights.hidden * LANES, gate * LANES
                row = before + tile * width
                multiply_tile(states, row, width, weights.hidden, weights.recurrent, at, ones, gates, to, GATES)
                if layer:
                    at = (panel - 8 * num_blocks) * 2 * width * LANES
                    row = tile * 2 * width
                    multiply_tile(x, row, 2 * width, 2 * width, weights.inputs, at, ones, gates, to, GATES)
            for index in range(count):
                unit = (tile + index) * width + block * LANES
                _advance(gates, index * GATES, cells, unit, states, after + unit)


@njit(nogil=True, cache=True)
def _pool(states: Floats, state: int, pooled: Floats, at: int, width: int) -> None:
    """Add a direction's states to its sums, and update its largest values, which stand 2 * width behind the sums."""
    for step in range(0, width, LANES):
        value, to = load_16(states, state + step), at + step
        store(pooled, to, add(load_16(pooled, to), value))
        store(pooled, to + 2 * width, larger(load_16(pooled, to + 2 * width), value))


@njit(nogil=True, cache=True, error_model="numpy")
def _run_direction(
    codes_NL: npt.NDArray[np.uint8],
    rows: Integers,
    used: Integers,
    weights: LstmWeights,
    layer: int,
    direction: int,
    outputs: Floats,
    pooled: Floats,
) -> None:
    """Run one direction of a layer over a batch, from each text's first position or from its last.

    Args:
        codes_NL: uint8 [N, L].
        rows: int64 [rows], the batch's row numbers, longest first.
        used: int64 [N], the length of each row.
        weights: The network's.
        layer: From 0.
        direction: 0 or 1.
        outputs: float32 [2, rows, longest, 2 H]: what the layer before gave and what this one gives take turns; unused with one layer.
        pooled: float32 [rows, 4 H], written by the last layer.
    """
    width = weights.table.shape[2] * LANES
    num_rows, longest = len(rows), used[rows[0]]
    num_layers = weights.recurrent.shape[0]
    size = -(-num_rows // TILE) * TILE * width
    states, cells = np.zeros(2 * size, np.float32), np.zeros(size, np.float32)
    x = np.zeros(2 * size if layer else 0, np.float32)
    codes = np.empty(num_rows, np.uint8)
    active = num_rows
    for step in range(longest):
        while used[rows[active - 1]] <= step:
            active -= 1
        for index in range(active):
            row = rows[index]
            position = used[row] - 1 - step if direction else step
            codes[index] = codes_NL[row, position]
            if layer:
                _copy(outputs, _place(outputs, (layer - 1) % 2, index, position), x, index * 2 * width, 2 * width)
        after = (step + 1) % 2 * size
        _step(weights, layer, direction, codes[:active], x, cells, states, step % 2 * size, after)
        for index in range(active):
            state = after + index * width
            if layer == num_layers - 1:
                _pool(states, state, pooled, (index * 4 + direction) * width, width)
            else:
                position = used[rows[index]] - 1 - step if direction else step
                to = _place(outputs, layer % 2, index, position) + direction * width
                _copy(states, state, outputs, to, width)


@njit(nogil=True, cache=True, error_model="numpy")
def predict_lstm(
    codes_NL: npt.NDArray[np.uint8],
    fill: int,
    weights: LstmWeights,
    batch_rows: int,
    probabilities_NK: Floats,
) -> None:
    """Turn codes into probabilities.

    Args:
        codes_NL: uint8 [N, L], none above the fill code.
        fill: The code after the text.
        weights: The network's.
        batch_rows: Rows of a batch, a multiple of 6; the result does not depend on it.
        probabilities_NK: float32 [N, K], written.
    """
    width, num_layers = weights.table.shape[2] * LANES, weights.recurrent.shape[0]
    used, order = longest_first(codes_NL, fill, 0)
    for row in range(len(used)):
        used[row] = max(used[row], 1)  # A row of nothing but fill is read as one fill code.
    longest = used[order[0]] if len(order) and num_layers > 1 else 0
    outputs = np.empty((2, batch_rows, longest, 2 * width), np.float32)
    pooled = np.zeros(batch_rows * 4 * width, np.float32)
    for first in range(0, len(order), batch_rows):
        rows = order[first : first + batch_rows]
        for index in range(len(rows)):
            for step in range(0, 2 * width, LANES):
                store(pooled, index * 4 * width + step, spread(np.float32(0)))
                store(pooled, (index * 4 + 2) * width + step, spread(np.float32(-1)))  # No output is below.
        for layer in range(num_layers):
            for direction in range(2):
                _run_direction(codes_NL, rows, used, weights, layer, direction, outputs, pooled)
        for index in range(len(rows)):
            share = spread(np.float32(1) / np.float32(used[rows[index]]))
            for step in range(0, 2 * width, LANES):
                at = index * 4 * width + step
                store(pooled, at, multiply(load_16(pooled, at), share))
        inner = weights.linear.shape[1]
        write_linear_softmax(pooled, inner, inner, weights.linear, weights.bias, rows, probabilities_NK)
