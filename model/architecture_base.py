"""What every architecture's config says and can do. Imports nothing heavy. For architecture.py, and for type hints.

What can be done with an architecture is a method of its config, which imports what it needs when it is called: no other place tells
architectures apart, and a new one cannot be added by half. K classes.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from model.folded import FoldedNetwork
    from model.onnx_graph import GraphBuilder
    from model.runfile import Model, Weights
    from pipeline.alphabet import Codes, Profile

Shapes = dict[str, tuple[int, ...]]
"""Shapes of weights by their names in `model.safetensors`."""


def added(default: Any) -> Any:
    """A field that came after the first models: not stored where it has its default, so that their fingerprints stay."""
    return field(default=default, metadata={"added": True})


@dataclass(frozen=True, kw_only=True)
class Architecture(ABC):
    """The sizes of a network, and what can be done with one of these sizes. Every subclass is a frozen dataclass.

    Attributes:
        name: What ``--arch`` calls it.
        summary: What it is, in a line.
        lr: The learning rate that recipe default gives it.
        compiles: Whether torch.compile can compile it.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    lr: ClassVar[float]
    compiles: ClassVar[bool] = True

    def sized(self, num_classes: int) -> Self:  # noqa: ARG002  # most have a size for any number
        """The same with the sizes that it leaves to the number of classes."""
        return self

    @abstractmethod
    def network(self, profile: "Profile", num_classes: int) -> "nn.Module":
        """See `build_network`."""

    @abstractmethod
    def weight_shapes(self, profile: "Profile", num_classes: int) -> Shapes:
        """The shape of every weight that a network of this kind has."""

    @abstractmethod
    def folded(self, model: "Model", weights: "Weights") -> "FoldedNetwork":
        """A model of this architecture for scoring without torch, from weights that fit."""

    @abstractmethod
    def onnx_logits(self, graph: "GraphBuilder", model: "Model", weights: "Weights", codes: str) -> str:
        """Add a model of this architecture to a graph.

        Args:
            graph: What it is added to.
            model: What was trained.
            weights: Its weights; they fit the model.
            codes: The name of codes uint8 [N, L].

        Returns:
            The name of logits float32 [N, K].
        """


@runtime_checkable
class Prepared(Protocol):
    """A network that looks at the training rows before its first step, and is turned into what predicts after its last."""

    def prepare(self, blocks: "Iterable[Codes]") -> None:
        """Learn what does not take steps.

        Args:
            blocks: The training rows once, codes uint8 [N, L] each.
        """

    def finish(self) -> None:
        """Turn what was trained into what predicts: the same logits, but for rounding."""


def require_positive(config: Architecture, but: tuple[str, ...] = ()) -> None:
    """Refuse sizes below 1.

    Args:
        config: Checked.
        but: Names of fields that are no sizes.

    Raises:
        UsageError: Names the field.
    """
    for name in (each.name for each in fields(config)):
        if name not in but and getattr(config, name) < 1:
            raise UsageError(f"{config.name}: {name} {getattr(config, name)}: expected 1 or more")


def require_share(config: Architecture, name: str) -> None:
    """Refuse a field that is no share of something of which some is left.

    Raises:
        UsageError: Names the field.
    """
    value = getattr(config, name)
    if not 0 <= value < 1:
        raise UsageError(f"{config.name}: {name} {value}: expected 0 or more and below 1")


def with_biases(layers: Shapes) -> Shapes:
    """Weights and biases of layers, from the shapes of their weights."""
    weights = {f"{name}.weight": shape for name, shape in layers.items()}
    return weights | {f"{name}.bias": shape[:1] for name, shape in layers.items()}
