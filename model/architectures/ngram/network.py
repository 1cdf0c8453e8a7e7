"""The `ngram` network in torch: hashed character n-grams and words, embedded, summed, classified. B batch, L max_length, K classes.

The bag of hashed n-grams is fastText's (Joulin et al., "Bag of Tricks for Efficient Text Classification", 2016); words are found in
the codes.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from model.architectures.ngram import hashing
from model.architectures.ngram.config import NgramConfig
from model.architectures.ngram.frequencies import document_frequencies
from pipeline.text.alphabet import Codes, Profile

RARITY_POWER = 1.5


def _shift_right(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Logical shift of int64 words."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


class Offset(nn.Module):
    """A bias for each class: what is left of the linear layer where the table holds logits.

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def forward(self, logits_BK: torch.Tensor) -> torch.Tensor:
        """Float32 [B, K] to the same."""
        return logits_BK + self.bias


class Ngram(nn.Module):
    """Codes to logits by way of a bag of n-grams.

    Every row of the table starts at zero, so what training never saw has no say. While it learns, a row counts the more, the rarer its
    n-gram is: what it adds is multiplied by a power of its inverse document frequency (Sparck Jones, "A statistical interpretation of term
    specificity", 1972), which `finish` multiplies into the table.

    Args:
        config: Sizes, complete.
        profile: Of the codes.
        num_classes: K.
    """

    powers: torch.Tensor
    inverse_powers: torch.Tensor
    word_codes: torch.Tensor
    folded_codes: torch.Tensor
    rarity: torch.Tensor | None

    def __init__(self, config: NgramConfig, profile: Profile, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.profile = profile
        self.has_capitals = hashing.has_capitals(profile)
        for name, base in (("powers", hashing.BASE), ("inverse_powers", hashing.INVERSE)):
            words = torch.from_numpy(hashing.powers(base, profile.max_length + 1).view("int64"))
            self.register_buffer(name, words, persistent=False)
        self.register_buffer("word_codes", torch.from_numpy(hashing.word_codes(profile)), persistent=False)
        self.register_buffer("folded_codes", torch.from_numpy(hashing.folded_codes(profile)).long(), persistent=False)
        # Made from the training rows, which a resumed training has as well; float32 [buckets + 1].
        self.register_buffer("rarity", None, persistent=False)
        width = config.dim or num_classes
        # The last row stands for "no n-gram here"; as padding_idx it stays zero.
        zeros = torch.zeros(config.buckets + 1, width)
        self.bag = nn.EmbeddingBag(config.buckets + 1, width, mode="sum", padding_idx=config.buckets, _weight=zeros)
        self.linear: nn.Linear | Offset = nn.Linear(width, num_classes) if config.dim else Offset(num_classes)
        if isinstance(self.linear, nn.Linear):
            nn.init.normal_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)

    def prepare(self, blocks: Iterable[Codes]) -> None:
        """See `PreparedNetwork`: learns how rare each bucket is."""
        counts, num_rows = document_frequencies(self.config, self.profile, blocks)
        rarity = (np.log((1 + num_rows) / (1 + counts)) + 1) ** RARITY_POWER
        # The mean square over all n-grams of all rows becomes one. Through a linear layer, a row moves the logits by the sum of what
        # its numbers do; divided by its width, it learns at the rate of a row of logits.
        root_mean_square = np.sqrt((counts * rarity**2).sum() / max(1, counts.sum())) or 1.0
        rarity /= root_mean_square * max(1, self.config.dim)
        self.rarity = torch.from_numpy(np.append(rarity, 0).astype(np.float32)).to(self.bag.weight.device)

    @torch.no_grad()
    def finish(self) -> None:
        """See `PreparedNetwork`: multiplies each bucket's rarity into its row."""
        if self.rarity is not None:
            self.bag.weight *= self.rarity[:, None]
            self.rarity = None

    def forward(self, codes_BL: torch.Tensor) -> torch.Tensor:
        """Uint8 [B, L] to logits float32 [B, K]."""
        none = self.config.buckets
        if codes_BL.device.type == "cpu" and not torch.compiler.is_compiling():
            codes_BL = self._without_last_fill(codes_BL)
        ngrams_BN, words_BM = self.ngram_ids(codes_BL)
        ids_BN = torch.cat([ngrams_BN, words_BM], dim=1)
        if self.training and self.config.dropout:
            drop_BN = torch.rand(ids_BN.shape, device=ids_BN.device) < self.config.dropout
            ids_BN = ids_BN.masked_fill(drop_BN, none)
        weight_N = self.bag.weight.new_ones(ids_BN.shape[1])
        weight_N[ngrams_BN.shape[1] :] = self.config.word_weight
        norm_B1 = ((ids_BN != none) * weight_N**2).sum(1, keepdim=True).clamp(min=1).sqrt()
        weight_BN = weight_N.expand(ids_BN.shape) if self.rarity is None else weight_N * self.rarity[ids_BN]
        sums_BD = self.bag(ids_BN, per_sample_weights=weight_BN) / norm_B1
        logits_BK: torch.Tensor = self.linear(sums_BD)
        return logits_BK

    def _without_last_fill(self, codes_BL: torch.Tensor) -> torch.Tensor:
        """Cut off the last columns, if they are fill in every row: they add nothing."""
        used_L = (codes_BL != self.profile.fill).any(0).nonzero()
        return codes_BL[:, : max(1, int(used_L[-1]) + 1 if len(used_L) else 1)]

    def ngram_ids(self, codes_BL: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The buckets of character n-grams, int64 [B, N], and of words, int64 [B, M]; `buckets` where a position has none."""
        codes_BL = codes_BL.long()
        folded_BL = self.folded_codes[codes_BL] if self.has_capitals else codes_BL
        inside_BL = codes_BL != self.profile.fill
        length = codes_BL.shape[1]
        prefix_BP = self._prefix(folded_BL)
        ids = [codes_BL[:, :0]]
        for order in range(self.config.min_order, min(self.config.max_order, length) + 1):
            hashes = (prefix_BP[:, order:] - prefix_BP[:, :-order]) * self.inverse_powers[: length - order + 1]
            ids.append(self._bucket(hashes, order, inside_BL[:, order - 1 :]))
        words = [codes_BL[:, :0]]
        if self.config.word_order:
            words += self._word_ids(folded_BL, prefix_BP, self._prefix(codes_BL) if self.has_capitals else None)
        return torch.cat(ids, dim=1), torch.cat(words, dim=1)

    def _prefix(self, codes_BL: torch.Tensor) -> torch.Tensor:
        """The running sum before each position, int64 [B, L + 1]."""
        return nn.functional.pad(torch.cumsum((codes_BL + 1) * self.powers[: codes_BL.shape[1]], dim=1), (1, 0))

    def _word_ids(
        self, codes_BL: torch.Tensor, prefix_BP: torch.Tensor, cased_BP: torch.Tensor | None
    ) -> list[torch.Tensor]:
        """Buckets of words, pairs of neighbours and words with capitals, each at the position of the last word's last code."""
        length = codes_BL.shape[1]
        in_word_BL = self.word_codes[codes_BL]
        position_L = torch.arange(length, device=codes_BL.device)
        # The start of the word around a position: one after the last position that is in no word.
        start_BL = torch.cummax(torch.where(in_word_BL, 0, position_L + 1), dim=1).values
        ends_BL = in_word_BL & ~nn.functional.pad(in_word_BL[:, 1:], (0, 1))
        word_BL = (prefix_BP[:, 1:] - prefix_BP.gather(1, start_BL)) * self.inverse_powers[start_BL]
        ids = [self._bucket(word_BL, hashing.WORD_SALT, ends_BL)]
        if self.config.word_order > 1:
            # One after the end of the word before: the last word end before this word's start, 0 where there is none.
            ended_BL = torch.cummax(torch.where(ends_BL, position_L + 1, 0), dim=1).values
            before_BL = nn.functional.pad(ended_BL, (1, 0)).gather(1, start_BL)
            previous_BL = word_BL.gather(1, (before_BL - 1).clamp(min=0))
            pair_BL = word_BL + previous_BL * hashing.signed(hashing.PAIR_FACTOR)
            ids.append(self._bucket(pair_BL, hashing.PAIR_SALT, ends_BL & (before_BL > 0)))
        if cased_BP is not None:
            written_BL = (cased_BP[:, 1:] - cased_BP.gather(1, start_BL)) * self.inverse_powers[start_BL]
            ids.append(self._bucket(written_BL, hashing.CASED_SALT, ends_BL & (written_BL != word_BL)))
        return ids

    def _bucket(self, hashes: torch.Tensor, salt: int, exists: torch.Tensor) -> torch.Tensor:
        """Mix hashes and take them modulo the number of buckets; `buckets` where no n-gram exists."""
        x = hashes + hashing.signed(salt * hashing.SALT)
        x = (x ^ _shift_right(x, 30)) * hashing.signed(hashing.MULTIPLIER_1)
        x = (x ^ _shift_right(x, 27)) * hashing.signed(hashing.MULTIPLIER_2)
        x = _shift_right(x ^ _shift_right(x, 31), 1)  # 63 bits: never negative
        return torch.where(exists, x % self.config.buckets, self.config.buckets)
