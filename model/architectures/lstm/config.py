"""The config of `lstm`, the bidirectional LSTM: its sizes and options."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from model.architectures.base import Architecture, Shapes, require_positive, require_share, with_biases

if TYPE_CHECKING:
    from pipeline.text.alphabet import Profile


@dataclass(frozen=True, kw_only=True)
class LstmConfig(Architecture):
    """A bidirectional LSTM over embedded codes; the mean and the maximum of its outputs are classified linearly.

    Attributes:
        dim: Width of an embedding.
        hidden: Width of the state of one direction.
        layers: How many LSTMs are stacked.
        dropout: Share of the features left out between layers and before the linear layer in training.
    """

    name: ClassVar[str] = "lstm"
    summary: ClassVar[str] = "a bidirectional LSTM over embedded characters"
    lr: ClassVar[float] = 0.01
    compiles: ClassVar[bool] = False

    dim: int = 32
    hidden: int = 96
    layers: int = 1
    dropout: float = 0.2

    def __post_init__(self) -> None:
        require_positive(self, but=("dropout",))
        require_share(self, "dropout")

    def weight_shapes(self, profile: "Profile", num_classes: int) -> Shapes:
        """See `Architecture`."""
        shapes = {"embedding.weight": (profile.num_codes, self.dim)} | with_biases(
            {"linear": (num_classes, 4 * self.hidden)}
        )
        for layer in range(self.layers):
            width = self.dim if layer == 0 else 2 * self.hidden
            for direction in ("ahead", "back"):
                prefix = f"lstms.{layer}.{direction}"
                shapes[f"{prefix}.weight_ih_l0"] = (4 * self.hidden, width)
                shapes[f"{prefix}.weight_hh_l0"] = (4 * self.hidden, self.hidden)
                shapes |= {f"{prefix}.bias_{kind}_l0": (4 * self.hidden,) for kind in ("ih", "hh")}
        return shapes
