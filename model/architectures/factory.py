"""The factory of an architecture: it builds the network, the folded network and the ONNX graph.

Every architecture has one. It imports torch, Numba or ONNX only when it is asked to build with them, so that the sizes of a network are
known and a model scores without torch. No other place tells architectures apart. K classes.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable

from model.architectures.base import Architecture

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from model.architectures.onnx_graph import GraphBuilder
    from model.architectures.trained import Model, Probabilities, Weights
    from pipeline.text.alphabet import Codes, Profile

Config = TypeVar("Config", bound=Architecture)


class FoldedNetwork(Protocol):
    """A network folded for scoring: ready to predict without torch."""

    def predict(self, codes_BL: "Codes", probabilities_BK: "Probabilities") -> None:
        """Compute the probabilities of some rows.

        Args:
            codes_BL: uint8 [B, L], contiguous, read-only, none above the fill code.
            probabilities_BK: float32 [B, K], contiguous, written.
        """
        ...


@runtime_checkable
class PreparedNetwork(Protocol):
    """A network that reads the training rows before the first step, and takes its final form after the last one."""

    def prepare(self, blocks: "Iterable[Codes]") -> None:
        """Learn from the rows what takes no training steps.

        Args:
            blocks: The codes of all training rows, once, uint8 [N, L] each.
        """

    def finish(self) -> None:
        """Bring the weights into the form that predicts; the logits stay the same but for rounding."""


class Factory(ABC, Generic[Config]):
    """Builds what runs a network of one architecture.

    Attributes:
        config_type: The architecture's sizes and options.
    """

    config_type: type[Config]

    @abstractmethod
    def network(self, config: Config, profile: "Profile", num_classes: int) -> "nn.Module":
        """Make a network with fresh weights from torch's current random state.

        Returns:
            A module that takes codes uint8 [B, L] and gives logits float32 [B, K].
        """

    @abstractmethod
    def folded(self, config: Config, model: "Model", weights: "Weights") -> FoldedNetwork:
        """Fold a model of this architecture for scoring without torch, from weights that fit it."""

    @abstractmethod
    def onnx_logits(self, config: Config, graph: "GraphBuilder", model: "Model", weights: "Weights", codes: str) -> str:
        """Add a model of this architecture to a graph.

        Args:
            config: The model's sizes.
            graph: What it is added to.
            model: What was trained.
            weights: The model's; they fit.
            codes: The name of codes uint8 [N, L].

        Returns:
            The name of logits float32 [N, K].
        """
