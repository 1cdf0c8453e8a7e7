"""The config of `charcnn`, the article's network: its sizes and options."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from model.architectures.base import Architecture, Shapes, added, require_positive, require_share, with_biases
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.text.alphabet import Profile


NORMS = ("batch", "layer", "none")


@dataclass(frozen=True, kw_only=True)
class CharCnnConfig(Architecture):
    """The article's network: two convolutions over one-hot codes, two linear layers.

    Attributes:
        channels_1: Channels after the first convolution.
        channels_2: Channels after the second one.
        hidden: Width of the first linear layer.
        dropout: Share of the features left out before each linear layer in training; the article leaves out none.
        norm: What follows each convolution's ReLU: ``layer`` over the channels of a position, as in the article, ``batch`` over all
            positions of a batch, or ``none``.
    """

    name: ClassVar[str] = "charcnn"
    summary: ClassVar[str] = "the article's network: two convolutions, two linear layers"
    lr: ClassVar[float] = 0.005

    channels_1: int = 32
    channels_2: int = 28
    hidden: int = 64
    dropout: float = added(0.0)
    norm: str = added("layer")

    def __post_init__(self) -> None:
        require_positive(self, but=("dropout", "norm"))
        require_share(self, "dropout")
        if self.norm not in NORMS:
            raise UsageError(f"charcnn: norm {self.norm!r}: expected one of {', '.join(NORMS)}")

    def weight_shapes(self, profile: "Profile", num_classes: int) -> Shapes:
        """See `Architecture`."""
        layers: Shapes = {
            "conv_1": (self.channels_1, profile.num_codes, 3),
            "conv_2": (self.channels_2, self.channels_1, 3),
            "linear_1": (self.hidden, profile.max_length * self.channels_2),
            "linear_2": (num_classes, self.hidden),
        }
        if self.norm != "none":
            layers |= {"norm_1": (self.channels_1,), "norm_2": (self.channels_2,)}
        shapes = with_biases(layers)
        if self.norm == "batch":
            for kind in ("running_mean", "running_var"):
                shapes |= {f"norm_1.{kind}": (self.channels_1,), f"norm_2.{kind}": (self.channels_2,)}
        return shapes
