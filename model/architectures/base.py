"""The config of an architecture: sizes and options, how they are checked and stored, and the shapes of the weights that they call for.

Imports nothing heavy; factories build networks from it. K classes.
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
    """A field that came after the first models: it is not stored at its default, so that their fingerprints stay."""
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
        """The same config with those sizes filled in that depend on the number of classes."""
        return self

    @abstractmethod
    def weight_shapes(self, profile: "Profile", num_classes: int) -> Shapes:
        """The shape of every weight of such a network."""


def require_positive(config: Architecture, but: tuple[str, ...] = ()) -> None:
    """Refuse sizes below 1.

    Args:
        config: What to check.
        but: Names of fields that are not sizes.

    Raises:
        UsageError: Names the field.
    """
    for name in (each.name for each in fields(config)):
        if name not in but and getattr(config, name) < 1:
            raise UsageError(f"{config.name}: {name} {getattr(config, name)}: expected 1 or more")


def require_share(config: Architecture, name: str) -> None:
    """Refuse a share below 0, or of 1 and more, which would leave nothing.

    Raises:
        UsageError: Names the field.
    """
    value = getattr(config, name)
    if not 0 <= value < 1:
        raise UsageError(f"{config.name}: {name} {value}: expected 0 or more and below 1")


def with_biases(layers: Shapes) -> Shapes:
    """The shapes of the weights and biases of layers, from the shapes of their weights."""
    weights = {f"{name}.weight": shape for name, shape in layers.items()}
    return weights | {f"{name}.bias": shape[:1] for name, shape in layers.items()}


def config_to_json(config: Architecture) -> dict[str, Any]:
    """The JSON object of a config in `model.json`."""
    unsaid = {
        each.name for each in fields(config) if "added" in each.metadata and getattr(config, each.name) == each.default
    }
    return {"name": config.name, **{name: value for name, value in asdict(config).items() if name not in unsaid}}
