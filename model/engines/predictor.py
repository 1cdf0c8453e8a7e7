"""The predictor, which is what every engine is: codes in, probabilities out."""

from typing import Literal, Protocol

from model.architectures.trained import Probabilities
from pipeline.text.alphabet import Codes

Engine = Literal["auto", "folded", "torch"]
Device = Literal["auto", "cpu", "cuda"]


class Predictor(Protocol):
    """Computes probabilities with one loaded model."""

    name: str
    """The engine and its device, as in ``torch on cpu``."""

    def predict(self, codes_NL: Codes) -> Probabilities:
        """Uint8 [N, L] to float32 [N, K], rows summing to 1, owned by the caller."""
        ...
