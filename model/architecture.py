"""What an architecture is: codes in, logits out, a config beside it, and a name under which it is listed. Imports nothing heavy.

Configs and names live here, apart from the networks, so that `--help` and torch-free scoring can know them without torch.
"""

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.alphabet import Profile
from pipeline.errors import InputError, UsageError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class CharCnnConfig:
    """The article's network: two convolutions over one-hot codes, two linear layers.

    Attributes:
        channels_1: Channels after the first convolution.
        channels_2: Channels after the second one.
        hidden: Width of the first linear layer.
    """

    name: ClassVar[str] = "charcnn"

    channels_1: int = 32
    channels_2: int = 28
    hidden: int = 64

    def __post_init__(self) -> None:
        _require_positive(self)


@dataclass(frozen=True, kw_only=True)
class NgramConfig:
    """A bag of hashed character n-grams and words, embedded, summed and classified linearly, after fastText.

    Attributes:
        buckets: Rows of the embedding table; n-grams are hashed into them.
        dim: Width of an embedding.
        min_order: Shortest character n-gram.
        max_order: Longest character n-gram.
        word_order: 0 for no words, 1 for single words, 2 for pairs of neighbours as well.
        dropout: Share of n-grams left out of each row in training.
    """

    name: ClassVar[str] = "ngram"

    buckets: int = 1 << 18
    dim: int = 16
    min_order: int = 2
    max_order: int = 6
    word_order: int = 2
    dropout: float = 0.5

    def __post_init__(self) -> None:
        _require_positive(self, but=("dropout", "word_order"))
        if self.min_order > self.max_order:
            raise UsageError(f"ngram: min_order {self.min_order} is above max_order {self.max_order}")
        if self.word_order not in {0, 1, 2}:
            raise UsageError(f"ngram: word_order {self.word_order}: expected 0, 1 or 2")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"ngram: dropout {self.dropout}: expected 0 or more and below 1")


CONFIGS: dict[str, type[CharCnnConfig | NgramConfig]] = {config.name: config for config in (CharCnnConfig, NgramConfig)}


def _require_positive(config: Any, but: tuple[str, ...] = ()) -> None:
    for field in fields(config):
        if field.name not in but and getattr(config, field.name) < 1:
            raise UsageError(f"{config.name}: {field.name} {getattr(config, field.name)}: expected 1 or more")


def config_to_json(config: CharCnnConfig | NgramConfig) -> dict[str, Any]:
    """What model.json stores."""
    return {"name": config.name, **asdict(config)}


def config_from_json(stored: dict[str, Any]) -> CharCnnConfig | NgramConfig:
    """Rebuild a config that `config_to_json` made.

    Raises:
        InputError: This charmill has no such architecture, or it has other fields.
    """
    sizes = dict(stored)
    name = sizes.pop("name", None)
    if name not in CONFIGS:
        raise InputError(f"architecture {name!r}: expected one of {', '.join(CONFIGS)}; train again with this charmill")
    try:
        return CONFIGS[name](**sizes)
    except (TypeError, UsageError) as error:
        raise InputError(f"architecture {name!r}: {error}; train again with this charmill") from error


def build_network(config: CharCnnConfig | NgramConfig, profile: Profile, num_classes: int) -> "nn.Module":
    """Make a network with fresh weights from torch's current random state.

    Returns:
        A module that takes codes uint8 [B, L] and gives logits float32 [B, K].
    """
    if isinstance(config, CharCnnConfig):
        from model.charcnn import CharCnn

        return CharCnn(config, profile, num_classes)
    from model.ngram import Ngram

    return Ngram(config, profile, num_classes)
