"""The `ngram` network: hashed character n-grams and words, embedded, summed, classified. B batch, L max_length, K classes. Needs torch.

The bag of hashed n-grams is fastText's (Joulin et al., "Bag of Tricks for Efficient Text Classification", 2016); words are told from
the codes, and dropping n-grams at random in training is the regularisation.
"""

import torch
from torch import nn

from model.architecture import NgramConfig
from model.ngram_hash import (
    BASE,
    INVERSE,
    MULTIPLIER_1,
    MULTIPLIER_2,
    PAIR_FACTOR,
    PAIR_SALT,
    SALT,
    WORD_SALT,
    powers,
    word_codes,
)
from pipeline.alphabet import Profile

INITIAL_STD = 0.03


def _signed(value: int) -> int:
    """The int64 with the same 64 bits: torch multiplies and adds those just as unsigned words."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _shift_right(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Logical shift of int64 words."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


class Ngram(nn.Module):
    """Codes to logits by way of a bag of n-grams.

    Args:
        config: Sizes.
        profile: Of the codes.
        num_classes: K.
    """

    powers: torch.Tensor
    inverse_powers: torch.Tensor
    word_codes: torch.Tensor

    def __init__(self, config: NgramConfig, profile: Profile, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.fill = profile.fill
        for name, base in (("powers", BASE), ("inverse_powers", INVERSE)):
            words = torch.from_numpy(powers(base, profile.max_length + 1).view("int64"))
            self.register_buffer(name, words, persistent=False)
        self.register_buffer("word_codes", torch.from_numpy(word_codes(profile)), persistent=False)
        weight = torch.randn(config.buckets + 1, config.dim) * INITIAL_STD
        weight[config.buckets] = 0  # The row of "no n-gram here"; as padding_idx it stays zero.
        self.bag = nn.EmbeddingBag(
            config.buckets + 1, config.dim, mode="sum", padding_idx=config.buckets, _weight=weight
        )
        self.linear = nn.Linear(config.dim, num_classes)

    def forward(self, codes_BL: torch.Tensor) -> torch.Tensor:
        """Uint8 [B, L] to logits float32 [B, K]."""
        none = self.config.buckets
        ids_BN = self.ngram_ids(codes_BL)
        if self.training and self.config.dropout:
            drop_BN = torch.rand(ids_BN.shape, device=ids_BN.device) < self.config.dropout
            ids_BN = ids_BN.masked_fill(drop_BN, none)
        count_B1 = (ids_BN != none).sum(1, keepdim=True).clamp(min=1)
        logits_BK: torch.Tensor = self.linear(self.bag(ids_BN) / count_B1.sqrt())
        return logits_BK

    def ngram_ids(self, codes_BL: torch.Tensor) -> torch.Tensor:
        """The bucket of every n-gram, int64 [B, N]; `buckets` where a position has none."""
        codes_BL = codes_BL.long()
        inside_BL = codes_BL != self.fill
        length = codes_BL.shape[1]
        sums_BL = torch.cumsum((codes_BL + 1) * self.powers[:length], dim=1)
        prefix_BP = nn.functional.pad(sums_BL, (1, 0))  # prefix[i] is the sum before position i
        ids = []
        for order in range(self.config.min_order, min(self.config.max_order, length) + 1):
            hashes = (prefix_BP[:, order:] - prefix_BP[:, :-order]) * self.inverse_powers[: length - order + 1]
            ids.append(self._bucket(hashes, order, inside_BL[:, order - 1 :]))
        if self.config.word_order:
            ids += self._word_ids(codes_BL, prefix_BP)
        return torch.cat(ids, dim=1)

    def _word_ids(self, codes_BL: torch.Tensor, prefix_BP: torch.Tensor) -> list[torch.Tensor]:
        """Buckets of words and of pairs of neighbours, each at the position of the last word's last code."""
        length = codes_BL.shape[1]
        in_word_BL = self.word_codes[codes_BL]
        position_L = torch.arange(length, device=codes_BL.device)
        # The start of the word around a position: one after the last position that is in no word.
        start_BL = torch.cummax(torch.where(in_word_BL, 0, position_L + 1), dim=1).values
        ends_BL = in_word_BL & ~nn.functional.pad(in_word_BL[:, 1:], (0, 1))
        word_BL = (prefix_BP[:, 1:] - prefix_BP.gather(1, start_BL)) * self.inverse_powers[start_BL]
        ids = [self._bucket(word_BL, WORD_SALT, ends_BL)]
        if self.config.word_order > 1:
            # One after the end of the word before: the last word end before this word's start, 0 where there is none.
            ended_BL = torch.cummax(torch.where(ends_BL, position_L + 1, 0), dim=1).values
            before_BL = nn.functional.pad(ended_BL, (1, 0)).gather(1, start_BL)
            previous_BL = word_BL.gather(1, (before_BL - 1).clamp(min=0))
            pair_BL = word_BL + previous_BL * _signed(PAIR_FACTOR)
            ids.append(self._bucket(pair_BL, PAIR_SALT, ends_BL & (before_BL > 0)))
        return ids

    def _bucket(self, hashes: torch.Tensor, salt: int, exists: torch.Tensor) -> torch.Tensor:
        """Mix hashes and take them modulo the number of buckets; `buckets` where no n-gram exists."""
        x = hashes + _signed(salt * SALT % (1 << 64))
        x = (x ^ _shift_right(x, 30)) * _signed(MULTIPLIER_1)
        x = (x ^ _shift_right(x, 27)) * _signed(MULTIPLIER_2)
        x = _shift_right(x ^ _shift_right(x, 31), 1)  # 63 bits: never negative
        return torch.where(exists, x % self.config.buckets, self.config.buckets)
