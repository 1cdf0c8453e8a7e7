"""The `ngram` network folded for scoring without torch: what can be computed before any text arrives is computed once, on loading.

The classifier is linear in the embeddings, so where there are no more classes than numbers in an embedding, each embedding is replaced by
the logits that it adds: for 4 classes a quarter of the bytes, and looking them up is nearly all the work. `kernel.py` runs on what is made
here. D width of an embedding, K classes.
"""

import numpy as np

from model.architectures.ngram import hashing
from model.architectures.ngram.config import NgramConfig
from model.architectures.ngram.ids_kernel import NgramTables
from model.architectures.ngram.kernel import fold_classes, predict_ngrams
from model.architectures.trained import Model, Weights
from model.kernels.product import Floats, aligned, padded
from pipeline.text.alphabet import Codes, Profile


def make_tables(config: NgramConfig, profile: Profile, *, vectors: Floats, weight: Floats, bias: Floats) -> NgramTables:
    """Make the tables that the kernel reads.

    Args:
        config: Sizes.
        profile: Of the codes.
        vectors: See `NgramTables`.
        weight: See `NgramTables`.
        bias: See `NgramTables`.
    """
    return NgramTables(
        powers=hashing.powers(hashing.BASE, profile.max_length + 1),
        word_codes=hashing.word_codes(profile),
        folded_codes=hashing.folded_codes(profile),
        has_capitals=hashing.has_capitals(profile),
        num_codes=profile.num_codes,
        min_order=config.min_order,
        max_order=min(config.max_order, profile.max_length),
        word_order=config.word_order,
        word_weight=float(config.word_weight),
        num_buckets=config.buckets,
        vectors=vectors,
        weight=weight,
        bias=bias,
    )


class FoldedNgram:
    """The network, ready to predict without torch.

    Args:
        model: What was trained.
        config: Its sizes.
        weights: The model's; they fit.
    """

    def __init__(self, model: Model, config: NgramConfig, weights: Weights) -> None:
        bag, num_classes = weights["bag.weight"], len(model.labels)
        mixing_KD = weights["linear.weight"].astype(np.float64) if config.dim else np.eye(num_classes)
        weight_KD = mixing_KD / model.temperature
        is_folded = _width(num_classes) <= _width(bag.shape[1])
        vectors = aligned((len(bag), _width(num_classes if is_folded else config.dim)))
        weight = np.zeros((0 if is_folded else vectors.shape[1], num_classes), np.float32)
        if is_folded:
            bag = np.ascontiguousarray(bag[:-1]).view()
            bag.flags.writeable = False  # Of a view; so Numba compiles one version.
            fold_classes(bag, weight_KD, vectors)
        else:
            vectors[:-1, : config.dim] = bag[:-1]
            weight[: config.dim] = weight_KD.T
        bias = (weights["linear.bias"] / model.temperature).astype(np.float32)
        self._tables = make_tables(config, model.profile, vectors=vectors, weight=weight, bias=bias)

    def predict(self, codes_BL: Codes, probabilities_BK: Floats) -> None:
        """See `FoldedNetwork.predict`."""
        predict_ngrams(codes_BL, self._tables, probabilities_BK)


def _width(size: int) -> int:
    """A width that the kernel has vectors for: 4, 8 or a multiple of 16."""
    return 4 if size <= 4 else 8 if size <= 8 else padded(size)
