"""The `charcnn` network in ONNX operators; like `folded.py`, it looks codes up in tables instead of one-hot rows. Needs onnx.

N rows, L max_length, C channels, K classes.
"""

import numpy as np
from onnx import TensorProto

from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.charcnn.norm import NORM_EPSILON, channel_scale_and_bias
from model.architectures.onnx_graph import GraphBuilder
from model.architectures.trained import Model, Weights


def charcnn_logits(graph: GraphBuilder, model: Model, config: CharCnnConfig, weights: Weights, codes: str) -> str:
    """Add the network; see `Factory.onnx_logits`."""
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
    x = _relu_norm(graph, graph.add("Add", x, _weight(graph, weights, "conv_1.bias")), config, weights, "norm_1")
    padded = graph.pad(x, 1, 1, graph.constant(0, np.float32))
    neighbours = graph.add("Concat", *(graph.cut(padded, tap, tap + length) for tap in range(3)), axis=2)
    # [3 * C1, C2], for rows of three neighbours.
    conv_2 = weights["conv_2.weight"].transpose(2, 1, 0).reshape(-1, weights["conv_2.weight"].shape[0])
    x = graph.add("MatMul", neighbours, graph.weight("conv_2.matrix", conv_2))
    x = _relu_norm(graph, graph.add("Add", x, _weight(graph, weights, "conv_2.bias")), config, weights, "norm_2")
    hidden = graph.add("Relu", _linear(graph, graph.add("Flatten", x, axis=1), weights, "linear_1"))
    return _linear(graph, hidden, weights, "linear_2")


def _relu_norm(graph: GraphBuilder, x: str, config: CharCnnConfig, weights: Weights, layer: str) -> str:
    x = graph.add("Relu", x)
    if config.norm == "none":
        return x
    scale_and_bias = channel_scale_and_bias(config.norm, weights, layer)
    scale, bias = (
        graph.weight(f"{layer}.{name}", array.astype(np.float32))
        for name, array in zip(("weight", "bias"), scale_and_bias, strict=True)
    )
    if config.norm == "batch":  # Channels are last here, and a BatchNormalization wants them second.
        return graph.add("Add", graph.add("Mul", x, scale), bias)
    return graph.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=NORM_EPSILON)


def _linear(graph: GraphBuilder, x: str, weights: Weights, layer: str) -> str:
    weight, bias = _weight(graph, weights, f"{layer}.weight"), _weight(graph, weights, f"{layer}.bias")
    return graph.add("Gemm", x, weight, bias, transB=1)


def _weight(graph: GraphBuilder, weights: Weights, name: str) -> str:
    return graph.weight(name, weights[name])
