"""What every architecture's sizes have in common: how they are checked, which weights they call for, how they are stored.

Imports nothing heavy; what is built of sizes is the factory's. K classes.
"""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.text.alphabet import Profile

Shapes = dict[str, tuple[int, ...]]
"""Shapes of weights by their names in `model.safetensors`."""


def added(default: Any) -> Any:
    """A field that came after the first models: not stored where it has its default, so that their fingerprints stay."""
    return field(default=default, metadata={"added": True})


@dataclass(frozen=True, kw_only=True)
class Architecture(ABC):
    """The sizes and options of a network. Every subclass is a frozen dataclass.

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
    def weight_shapes(self, profile: "Profile", num_classes: int) -> Shapes:
        """The shape of every weight that a network of this kind has."""


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


def config_to_json(config: Architecture) -> dict[str, Any]:
    """What model.json stores."""
    unsaid = {
        each.name for each in fields(config) if "added" in each.metadata and getattr(config, each.name) == each.default
    }
    return {"name": config.name, **{name: value for name, value in asdict(config).items() if name not in unsaid}}
