"""The `lstm` network in ONNX operators; the LSTM operator's own lengths keep the fill out. Needs onnx.

N rows, L max_length, H hidden, K classes.
"""

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from model.architectures.lstm.config import LstmConfig
from model.architectures.onnx_graph import GraphBuilder
from model.architectures.trained import Model, Weights

_GATES = (0, 3, 1, 2)  # ONNX has input, output, forget and cell; torch has input, forget, cell and output.
_WAYS = ("ahead", "back")


def lstm_logits(graph: GraphBuilder, model: Model, config: LstmConfig, weights: Weights, codes: str) -> str:
    """Add the network; see `Factory.onnx_logits`."""
    profile = model.profile
    # ONNX Runtime 1.31 dies of an LSTM of no rows, so there is always one more, of fill alone, which is cut off in the end.
    one = graph.constant(np.full((1, profile.max_length), profile.fill), np.uint8)
    codes = graph.add("Concat", codes, one, axis=0)
    lengths = _lengths(graph, codes, profile.fill, profile.max_length)
    indices = graph.cast(graph.add("Transpose", codes, perm=[1, 0]), TensorProto.INT32)
    x = graph.add("Gather", graph.weight("embedding.weight", weights["embedding.weight"]), indices)
    for layer in range(config.layers):
        x = _both_ways(graph, x, lengths, config, weights, f"lstms.{layer}")
    pooled = _pool(graph, x, lengths, profile.max_length)
    matrix, bias = (graph.weight(name, weights[name]) for name in ("linear.weight", "linear.bias"))
    return graph.cut(graph.add("Gemm", pooled, matrix, bias, transB=1), 0, -1, axis=0)


def _lengths(graph: GraphBuilder, codes: str, fill: int, max_length: int) -> str:
    """The length of each row without the fill at its end, at least 1: int32 [N]."""
    is_fill = graph.add("Equal", codes, graph.constant(fill, np.uint8))
    one = graph.constant(1, np.int32)
    ends = graph.add("Where", is_fill, one, graph.constant(np.arange(1, max_length + 1), np.int32))
    return graph.add("ReduceMax", ends, graph.constant([1], np.int64), keepdims=0)


def _both_ways(graph: GraphBuilder, x: str, lengths: str, config: LstmConfig, weights: Weights, layer: str) -> str:
    """Add a layer, [L, N, W] to [L, N, 2 H]."""
    inputs, recurrent = (
        graph.weight(
            f"{layer}.weight_{kind}", np.stack([_ordered(weights, layer, way, f"weight_{kind}") for way in _WAYS])
        )
        for kind in ("ih", "hh")
    )
    biases = [np.concatenate([_ordered(weights, layer, way, f"bias_{kind}") for kind in ("ih", "hh")]) for way in _WAYS]
    outputs = graph.add(
        "LSTM",
        *(x, inputs, recurrent, graph.weight(f"{layer}.bias", np.stack(biases)), lengths),
        hidden_size=config.hidden,
        direction="bidirectional",
    )
    side_by_side = graph.add("Transpose", outputs, perm=[0, 2, 1, 3])  # It is [L, 2, N, H].
    return graph.add("Reshape", side_by_side, graph.constant([0, 0, -1], np.int64))


def _ordered(weights: Weights, layer: str, way: str, kind: str) -> npt.NDArray[np.float32]:
    gates = weights[f"{layer}.{way}.{kind}_l0"]
    return gates.reshape(4, -1, *gates.shape[1:])[list(_GATES)].reshape(gates.shape)


def _pool(graph: GraphBuilder, x: str, lengths: str, max_length: int) -> str:
    """Pool over the positions of each text, mean and maximum, [L, N, 2 H] to [N, 4 H]."""
    positions = graph.constant(np.arange(max_length).reshape(-1, 1), np.int32)
    inside = graph.add("Unsqueeze", graph.add("Less", positions, lengths), graph.constant([2], np.int64))
    axis_0, axis_1 = graph.constant([0], np.int64), graph.constant([1], np.int64)
    sums = graph.add("ReduceSum", graph.add("Where", inside, x, graph.constant(0, np.float32)), axis_0, keepdims=0)
    count = graph.add("Unsqueeze", graph.cast(lengths, TensorProto.FLOAT), axis_1)
    masked = graph.add("Where", inside, x, graph.constant(-1, np.float32))  # No output is below.
    largest = graph.add("ReduceMax", masked, axis_0, keepdims=0)
    return graph.add("Concat", graph.add("Div", sums, count), largest, axis=1)
