"""The `charcnn` network in ONNX operators. Follows charcnn.py; folds the one-hot rows into tables as folded.py does. Needs onnx.

N rows, L max_length, C channels, K classes.
"""

import numpy as np
from onnx import TensorProto

from model.onnx_graph import GraphBuilder
from model.runfile import Model, Weights

_NORM_EPSILON = 1e-5  # torch.nn.LayerNorm's


def charcnn_logits(graph: GraphBuilder, model: Model, weights: Weights, codes: str) -> str:
    """Add the network.

    Args:
        graph: What it is added to.
        model: What was trained.
        weights: Its weights; they fit the model.
        codes: The name of codes uint8 [N, L].

    Returns:
        The name of logits float32 [N, K].
    """
    length, fill = model.profile.max_length, model.profile.fill
    indices = graph.cast(graph.pad(codes, 1, 1, graph.constant(fill, np.uint8)), TensorProto.INT32)
    # [3, C, C1]: what a code adds to the position after it, its own, and the one before it. The fill code adds nothing.
    tables = weights["conv_1.weight"].transpose(2, 1, 0).copy()
    tables[:, fill] = 0
    parts = [
        graph.add("Gather", graph.weight(f"conv_1.table_{tap}", table), graph.cut(indices, tap, tap + length))
        for tap, table in enumerate(tables)
    ]
    x = graph.add("Add", graph.add("Add", parts[0], parts[1]), parts[2])
    x = _relu_norm(graph, graph.add("Add", x, _weight(graph, weights, "conv_1.bias")), weights, "norm_1")
    padded = graph.pad(x, 1, 1, graph.constant(0, np.float32))
    neighbours = graph.add("Concat", *(graph.cut(padded, tap, tap + length) for tap in range(3)), axis=2)
    # [3 * C1, C2], for rows of three neighbours.
    conv_2 = weights["conv_2.weight"].transpose(2, 1, 0).reshape(-1, weights["conv_2.weight"].shape[0])
    x = graph.add("MatMul", neighbours, graph.weight("conv_2.matrix", conv_2))
    x = _relu_norm(graph, graph.add("Add", x, _weight(graph, weights, "conv_2.bias")), weights, "norm_2")
    hidden = graph.add("Relu", _linear(graph, graph.add("Flatten", x, axis=1), weights, "linear_1"))
    return _linear(graph, hidden, weights, "linear_2")


def _relu_norm(graph: GraphBuilder, x: str, weights: Weights, layer: str) -> str:
    scale, bias = _weight(graph, weights, f"{layer}.weight"), _weight(graph, weights, f"{layer}.bias")
    return graph.add("LayerNormalization", graph.add("Relu", x), scale, bias, axis=-1, epsilon=_NORM_EPSILON)


def _linear(graph: GraphBuilder, x: str, weights: Weights, layer: str) -> str:
    weight, bias = _weight(graph, weights, f"{layer}.weight"), _weight(graph, weights, f"{layer}.bias")
    return graph.add("Gemm", x, weight, bias, transB=1)


def _weight(graph: GraphBuilder, weights: Weights, name: str) -> str:
    return graph.weight(name, weights[name])
