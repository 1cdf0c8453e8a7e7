"""The config of `ngram`, the bag of n-grams: its sizes and options."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from model.architectures.base import Architecture, Shapes, require_positive, require_share
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.text.alphabet import Profile


MOST_NGRAM_WEIGHTS = 1 << 22  # 16 MiB.
MOST_DIRECT_CLASSES = 16  # Up to so many, a row of the table is a row of logits.


@dataclass(frozen=True, kw_only=True)
class NgramConfig(Architecture):
    """A bag of hashed character n-grams and words, looked up, summed and classified linearly, after fastText.

    Attributes:
        buckets: Rows of the table that n-grams are hashed into; 0 leaves the number to `sized`.
        dim: Width of a row; 0 for rows of logits, one for each class, with no linear layer behind them.
        min_order: Shortest character n-gram.
        max_order: Longest character n-gram.
        word_order: 0 for no words, 1 for single words, 2 for pairs of neighbours as well.
        word_weight: What a word or a pair of words counts; a character n-gram counts 1.
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
        """Fill in as many buckets as fit `MOST_NGRAM_WEIGHTS`: rows of logits for up to `MOST_DIRECT_CLASSES`, else rows that wide."""
        if self.buckets:
            return self
        is_direct = num_classes <= MOST_DIRECT_CLASSES
        width = 1 << max(2, (num_classes - 1).bit_length()) if is_direct else MOST_DIRECT_CLASSES
        return replace(self, buckets=MOST_NGRAM_WEIGHTS // width, dim=0 if is_direct else width)

    def weight_shapes(self, profile: "Profile", num_classes: int) -> Shapes:  # noqa: ARG002  # any profile will do
        """See `Architecture`."""
        bag = (self.buckets + 1, self.dim or num_classes)
        return {"bag.weight": bag, "linear.bias": (num_classes,)} | (
            {"linear.weight": (num_classes, self.dim)} if self.dim else {}
        )
