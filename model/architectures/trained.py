"""A trained model, and its weights by name."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from model.architectures.base import Architecture, config_to_json
from pipeline.text.alphabet import Profile

FORMAT_VERSION = 2  # 1 had neither the names of labels nor the training texts.
WEIGHTS, TRAINING_TEXTS = "model.safetensors", "training_texts.npy"

Weights = Mapping[str, npt.NDArray[np.float32]]
"""Arrays by the names that the torch network gives its parameters and buffers."""

Probabilities = npt.NDArray[np.float32]
"""[N, K], rows summing to 1."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A trained model, without its weights.

    Attributes:
        architecture: Kind and sizes of the network.
        profile: How its texts become codes.
        labels: In the order of the logits.
        label_names: What files call a label, and what it is called here, where those differ.
        temperature: Logits are divided by it before the softmax.
        dataset_fingerprint: Of the dataset that it was trained on.
        weights_bytes: Size of the weights' file.
        weights_sha256: Hash of the weights' file.
        texts_bytes: Size of the file of training texts.
        texts_sha256: Hash of it.
        versions: Of charmill and the libraries that trained it.
    """

    architecture: Architecture
    profile: Profile
    labels: list[str]
    temperature: float
    dataset_fingerprint: str
    weights_bytes: int
    weights_sha256: str
    texts_bytes: int
    texts_sha256: str
    versions: dict[str, str]
    label_names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature {self.temperature}: expected more than 0")
        if len(set(self.labels)) < max(1, len(self.labels)):
            raise ValueError(f"{len(self.labels)} labels, of which {len(set(self.labels))} are different")

    def to_bytes(self) -> bytes:
        """The bytes of `model.json`."""
        content = {
            "format_version": FORMAT_VERSION,
            "architecture": config_to_json(self.architecture),
            "profile": self.profile.to_json(),
            "labels": self.labels,
            "label_names": self.label_names,
            "temperature": self.temperature,
            "dataset_fingerprint": self.dataset_fingerprint,
            "weights": {"file": WEIGHTS, "bytes": self.weights_bytes, "sha256": self.weights_sha256},
            "training_texts": {"file": TRAINING_TEXTS, "bytes": self.texts_bytes, "sha256": self.texts_sha256},
            "versions": self.versions,
        }
        return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that name this model, weights and all."""
        return hashlib.sha256(self.to_bytes()).hexdigest()[:16]
