"""The factory of `ngram`: the network in torch, folded, and as ONNX operators."""

from typing import TYPE_CHECKING

from model.architectures.factory import Factory, FoldedNetwork
from model.architectures.ngram.config import NgramConfig

if TYPE_CHECKING:
    from torch import nn

    from model.architectures.onnx_graph import GraphBuilder
    from model.architectures.trained import Model, Weights
    from pipeline.text.alphabet import Profile


class NgramFactory(Factory[NgramConfig]):
    """See `Factory`."""

    config_type = NgramConfig

    def network(self, config: NgramConfig, profile: "Profile", num_classes: int) -> "nn.Module":
        """See `Factory.network`."""
        from model.architectures.ngram.network import Ngram

        return Ngram(config, profile, num_classes)

    def folded(self, config: NgramConfig, model: "Model", weights: "Weights") -> FoldedNetwork:
        """See `Factory.folded`."""
        from model.architectures.ngram.folded import FoldedNgram

        return FoldedNgram(model, config, weights)

    def onnx_logits(
        self, config: NgramConfig, graph: "GraphBuilder", model: "Model", weights: "Weights", codes: str
    ) -> str:
        """See `Factory.onnx_logits`."""
        from model.architectures.ngram.onnx import ngram_logits

        return ngram_logits(graph, model, config, weights, codes)
