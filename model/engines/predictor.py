"""Predictors: codes in, probabilities out, whatever computes them. Chooses an engine without importing torch unless it is wanted."""

from typing import Literal, Protocol

from model.architectures.trained import Probabilities
from pipeline.text.alphabet import Codes

Engine = Literal["auto", "folded", "torch"]
Device = Literal["auto", "cpu", "cuda"]


class Predictor(Protocol):
    """Computes probabilities."""

    name: str
    """The engine and its device, as in ``torch on cpu``."""

    def predict(self, codes_NL: Codes) -> Probabilities:
        """Uint8 [N, L] to float32 [N, K], rows summing to 1, owned by the caller."""
        ...
