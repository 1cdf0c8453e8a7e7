"""The architectures there are: codes in, logits out, a config beside each, and a name under which it is listed. Imports nothing heavy.

Configs live here, apart from the networks, so that `--help` and torch-free scoring can know them without torch. K classes.
"""

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from model.architecture_base import Architecture, Shapes, added, require_positive, require_share, with_biases
from pipeline.errors import InputError, UsageError

if TYPE_CHECKING:
    from torch import nn

    from model.folded import FoldedNetwork
    from model.onnx_graph import GraphBuilder
    from model.runfile import Model, Weights
    from pipeline.alphabet import Profile

NORMS = ("batch", "layer", "none")
MOST_NGRAM_WEIGHTS = 1 << 22
MOST_DIRECT_CLASSES = 16


@dataclass(frozen=True, kw_only=True)
class CharCnnConfig(Architecture):
    """The article's network: two convolutions over one-hot codes, two linear layers.

    Attributes:
        channels_1: Channels after the first convolution.
        channels_2: Channels after the second one.
        hidden: Width of the first linear layer.
        dropout: Share of the features left out before each linear layer in training; the article leaves out none.
        norm: What follows each convolution's ReLU: ``layer`` over the channels of a position, as the article, ``batch`` over all
            positions of a batch, ``none``.
    """

    name: ClassVar[str] = "charcnn"
    summary: ClassVar[str] = "the article's network, two convolutions and two linear layers"
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

    def network(self, profile: "Profile", num_classes: int) -> "nn.Module":
        """See `Architecture`."""
        from model.charcnn import CharCnn

        return CharCnn(self, profile, num_classes)

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

    def folded(self, model: "Model", weights: "Weights") -> "FoldedNetwork":
        """See `Architecture`."""
        from model.folded_charcnn import FoldedCharCnn

        return FoldedCharCnn(model, self, weights)

    def onnx_logits(self, graph: "GraphBuilder", model: "Model", weights: "Weights", codes: str) -> str:
        """See `Architecture`."""
        from model.onnx_charcnn import charcnn_logits

        return charcnn_logits(graph, model, self, weights, codes)


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

    def network(self, profile: "Profile", num_classes: int) -> "nn.Module":
        """See `Architecture`."""
        from model.lstm import Lstm

        return Lstm(self, profile, num_classes)

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

    def folded(self, model: "Model", weights: "Weights") -> "FoldedNetwork":
        """See `Architecture`."""
        from model.folded_lstm import FoldedLstm

        return FoldedLstm(model, self, weights)

    def onnx_logits(self, graph: "GraphBuilder", model: "Model", weights: "Weights", codes: str) -> str:
        """See `Architecture`."""
        from model.onnx_lstm import lstm_logits

        return lstm_logits(graph, model, self, weights, codes)


@dataclass(frozen=True, kw_only=True)
class NgramConfig(Architecture):
    """A bag of hashed character n-grams and words, looked up, summed and classified linearly, after fastText.

    Attributes:
        buckets: Rows of the table; n-grams are hashed into them. 0 takes `sized`'s.
        dim: Width of a row; 0 for rows of logits, one for each class, with nothing to learn behind them.
        min_order: Shortest character n-gram.
        max_order: Longest character n-gram.
        word_order: 0 for no words, 1 for single words, 2 for pairs of neighbours as well.
        word_weight: What a word or a pair counts, where a character n-gram counts 1.
        dropout: Share of n-grams and words left out of each row in training.
    """

    name: ClassVar[str] = "ngram"
    summary: ClassVar[str] = "a bag of hashed character n-grams and words"
    lr: ClassVar[float] = 0.02

    buckets: int = 0
    dim: int = 0
    min_order: int = 2
    max_order: int = 5
    word_order: int = 2
    word_weight: float = 4.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        require_positive(self, but=("buckets", "dim", "dropout", "word_order", "word_weight"))
        if self.buckets < 0 or self.dim < 0:
            raise UsageError(f"ngram: buckets {self.buckets}, dim {self.dim}: expected 0 or more")
        if self.min_order > self.max_order:
            raise UsageError(f"ngram: min_order {self.min_order} is above max_order {self.max_order}")
        if self.word_order not in {0, 1, 2}:
            raise UsageError(f"ngram: word_order {self.word_order}: expected 0, 1 or 2")
        if not 0 < self.word_weight < math.inf:
            raise UsageError(f"ngram: word_weight {self.word_weight}: expected more than 0")
        require_share(self, "dropout")

    def sized(self, num_classes: int) -> Self:
        """As many buckets as 16 MiB of weights have room for: of logits up to `MOST_DIRECT_CLASSES`, above it of that many numbers."""
        if self.buckets:
            return self
        is_direct = num_classes <= MOST_DIRECT_CLASSES
        width = 1 << max(2, (num_classes - 1).bit_length()) if is_direct else MOST_DIRECT_CLASSES
        return replace(self, buckets=MOST_NGRAM_WEIGHTS // width, dim=0 if is_direct else width)

    def network(self, profile: "Profile", num_classes: int) -> "nn.Module":
        """See `Architecture`."""
        from model.ngram import Ngram

        return Ngram(self, profile, num_classes)

    def weight_shapes(self, profile: "Profile", num_classes: int) -> Shapes:  # noqa: ARG002  # any profile will do
        """See `Architecture`."""
        bag = (self.buckets + 1, self.dim or num_classes)
        return {"bag.weight": bag, "linear.bias": (num_classes,)} | (
            {"linear.weight": (num_classes, self.dim)} if self.dim else {}
        )

    def folded(self, model: "Model", weights: "Weights") -> "FoldedNetwork":
        """See `Architecture`."""
        from model.folded_ngram import FoldedNgram

        return FoldedNgram(model, self, weights)

    def onnx_logits(self, graph: "GraphBuilder", model: "Model", weights: "Weights", codes: str) -> str:
        """See `Architecture`."""
        from model.onnx_ngram import ngram_logits

        return ngram_logits(graph, model, self, weights, codes)


CONFIGS: dict[str, type[Architecture]] = {config.name: config for config in (CharCnnConfig, LstmConfig, NgramConfig)}


def choose_architecture(name: str, num_classes: int, **options: Any) -> Architecture:
    """The architecture of a name, with its own default for each option that is None.

    Args:
        name: A name in `CONFIGS`.
        num_classes: K.
        options: Fields of the config; flags are called the same.

    Raises:
        UsageError: It has no such option, or a value makes no sense.
    """
    config = CONFIGS[name]()
    own = _field_names(config)
    given = {option: value for option, value in options.items() if value is not None}
    for option, value in given.items():
        if option not in own:
            able = ", ".join(other for other, kind in CONFIGS.items() if option in _field_names(kind()))
            raise UsageError(f"--{option} {value}: --arch {name} has none; leave it out, or take one that has: {able}")
    return replace(config, **given).sized(num_classes)


def _field_names(config: Architecture) -> set[str]:
    return {each.name for each in fields(config)}


def config_to_json(config: Architecture) -> dict[str, Any]:
    """What model.json stores."""
    unsaid = {
        each.name for each in fields(config) if "added" in each.metadata and getattr(config, each.name) == each.default
    }
    return {"name": config.name, **{name: value for name, value in asdict(config).items() if name not in unsaid}}


def config_from_json(stored: dict[str, Any]) -> Architecture:
    """Rebuild a config that `config_to_json` made.

    Raises:
        InputError: This charmill has no such architecture, or it has other fields.
    """
    sizes = dict(stored)
    name = sizes.pop("name", None)
    if name not in CONFIGS:
        raise InputError(f"architecture {name!r}: expected one of {', '.join(CONFIGS)}; train again with this charmill")
    missing = [each.name for each in fields(CONFIGS[name]()) if each.name not in sizes and "added" not in each.metadata]
    if missing:
        raise InputError(f"architecture {name!r}: {missing[0]} is missing; train again with this charmill")
    try:
        return CONFIGS[name](**sizes)
    except (TypeError, UsageError) as error:
        raise InputError(f"architecture {name!r}: {error}; train again with this charmill") from error


def build_network(config: Architecture, profile: "Profile", num_classes: int) -> "nn.Module":
    """Make a network with fresh weights from torch's current random state.

    Returns:
        A module that takes codes uint8 [B, L] and gives logits float32 [B, K].
    """
    return config.network(profile, num_classes)
