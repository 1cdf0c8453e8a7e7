"""What of the `ngram` network can be computed before any text is there. Feeds ngram_kernel.py. Needs no torch.

The classifier is linear in the embeddings, so with no more classes than an embedding has numbers each embedding is replaced by the
logits that it adds: for 4 classes a quarter of the bytes, and looking them up is nearly all there is to do.
D width of an embedding, K classes.
"""

import numpy as np

from model.architecture import NgramConfig
from model.ngram_hash import BASE, powers, word_codes
from model.ngram_kernel import NgramTables, fold_classes, predict_ngrams
from model.product_kernel import Floats, aligned, padded
from model.runfile import Model, Weights
from pipeline.alphabet import Codes


class FoldedNgram:
    """The network, ready to predict.

    Args:
        model: What was trained.
        config: Its sizes.
        weights: Its weights, fitting.
    """

    def __init__(self, model: Model, config: NgramConfig, weights: Weights) -> None:
        profile = model.profile
        num_classes, dim = weights["linear.weight"].shape
        weight_KD = weights["linear.weight"].astype(np.float64) / model.temperature
        is_folded = _width(num_classes) <= _width(dim)
        vectors = aligned((config.buckets + 1, _width(num_classes if is_folded else dim)))
        weight = np.zeros((0 if is_folded else vectors.shape[1], num_classes), np.float32)
        if is_folded:
            bag = np.ascontiguousarray(weights["bag.weight"][:-1]).view()
            bag.flags.writeable = False  # Of a view; so Numba compiles one version.
            fold_classes(bag, weight_KD, vectors)
        else:
            vectors[:-1, :dim] = weights["bag.weight"][:-1]
            weight[:dim] = weight_KD.T
        self._tables = NgramTables(
            powers=powers(BASE, profile.max_length + 1),
            word_codes=word_codes(profile),
            num_codes=profile.num_codes,
            min_order=config.min_order,
            max_order=min(config.max_order, profile.max_length),
            word_order=config.word_order,
            vectors=vectors,
            weight=weight,
            bias=(weights["linear.bias"] / model.temperature).astype(np.float32),
        )

    def predict(self, codes_BL: Codes, probabilities_BK: Floats) -> None:
        """Write the probabilities of some rows.

        Args:
            codes_BL: uint8 [B, L], contiguous, none above the fill code.
            probabilities_BK: float32 [B, K], contiguous, written.
        """
        predict_ngrams(codes_BL, self._tables, probabilities_BK)


def _width(size: int) -> int:
    """4, 8 or a multiple of 16."""
    return 4 if size <= 4 else 8 if size <= 8 else padded(size)
