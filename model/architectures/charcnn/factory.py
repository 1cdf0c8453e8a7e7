"""The factory of `charcnn`: the network in torch, folded, and as ONNX operators."""

from typing import TYPE_CHECKING

from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.factory import Factory, FoldedNetwork

if TYPE_CHECKING:
    from torch import nn

    from model.architectures.onnx_graph import GraphBuilder
    from model.architectures.trained import Model, Weights
    from pipeline.text.alphabet import Profile


class CharCnnFactory(Factory[CharCnnConfig]):
    """See `Factory`."""

    config_type = CharCnnConfig

    def network(self, config: CharCnnConfig, profile: "Profile", num_classes: int) -> "nn.Module":
        """See `Factory.network`."""
        from model.architectures.charcnn.network import CharCnn

        return CharCnn(config, profile, num_classes)

    def folded(self, config: CharCnnConfig, model: "Model", weights: "Weights") -> FoldedNetwork:
        """See `Factory.folded`."""
        from model.architectures.charcnn.folded import FoldedCharCnn

        return FoldedCharCnn(model, config, weights)

    def onnx_logits(
        self, config: CharCnnConfig, graph: "GraphBuilder", model: "Model", weights: "Weights", codes: str
    ) -> str:
        """See `Factory.onnx_logits`."""
        from model.architectures.charcnn.onnx import charcnn_logits

        return charcnn_logits(graph, model, config, weights, codes)
