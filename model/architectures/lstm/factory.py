"""The factory of `lstm`: the network in torch, folded, and as ONNX operators."""

from typing import TYPE_CHECKING

from model.architectures.factory import Factory, FoldedNetwork
from model.architectures.lstm.config import LstmConfig

if TYPE_CHECKING:
    from torch import nn

    from model.architectures.onnx_graph import GraphBuilder
    from model.architectures.trained import Model, Weights
    from pipeline.text.alphabet import Profile


class LstmFactory(Factory[LstmConfig]):
    """See `Factory`."""

    config_type = LstmConfig

    def network(self, config: LstmConfig, profile: "Profile", num_classes: int) -> "nn.Module":
        """See `Factory.network`."""
        from model.architectures.lstm.network import Lstm

        return Lstm(config, profile, num_classes)

    def folded(self, config: LstmConfig, model: "Model", weights: "Weights") -> FoldedNetwork:
        """See `Factory.folded`."""
        from model.architectures.lstm.folded import FoldedLstm

        return FoldedLstm(model, config, weights)

    def onnx_logits(
        self, config: LstmConfig, graph: "GraphBuilder", model: "Model", weights: "Weights", codes: str
    ) -> str:
        """See `Factory.onnx_logits`."""
        from model.architectures.lstm.onnx import lstm_logits

        return lstm_logits(graph, model, config, weights, codes)
