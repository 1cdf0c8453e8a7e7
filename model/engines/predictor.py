"""Predictors: codes in, probabilities out, whatever computes them. Chooses an engine without importing torch unless it is wanted."""

from typing import Literal, Protocol

import numpy as np

from model.architectures.trained import Probabilities
from pipeline.text.alphabet import Codes

Engine = Literal["auto", "folded", "torch"]
Device = Literal["auto", "cpu", "cuda"]

BATCH_ROWS = 1024  # Fixed, see full_batch.


class Predictor(Protocol):
    """Computes probabilities."""

    name: str
    """The engine and its device, as in ``torch on cpu``."""

    def predict(self, codes_NL: Codes) -> Probabilities:
        """Uint8 [N, L] to float32 [N, K], rows summing to 1, owned by the caller."""
        ...


def full_batch(codes_BL: Codes, fill: int) -> Codes:
    """Add rows of the fill code until there are `BATCH_ROWS`.

    A matrix product rounds differently in batches of different shapes, and on some machines from row to row of a batch. With one shape for
    all, a row's probabilities at some place of a batch are the same to the last bit whatever rows are beside it; the scorer begins its
    batches at places that depend on the source alone.

    Returns:
        uint8 [`BATCH_ROWS`, L]; codes_BL itself where it is full.
    """
    missing = BATCH_ROWS - len(codes_BL)
    return np.pad(codes_BL, ((0, missing), (0, 0)), constant_values=fill) if missing else codes_BL
