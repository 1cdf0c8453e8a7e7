"""The run format on one page: what `model.json` says, and how a model is stored and read back. Needs no torch.

RUN/
├── model.json          written last; a folder without it is not a finished run
├── model.safetensors   the weights, float32, by the names of the network's modules
├── evaluation.json     what was measured on the held-out rows, see evaluation.py
├── metrics.jsonl       a line an epoch
├── config.toml         every flag of the training, resolved; `--config` takes it
├── report.html         one file that opens offline
└── checkpoints/        last.safetensors, from which --resume goes on
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load

from model.architecture import config_from_json, config_to_json
from model.architecture_base import Architecture
from pipeline.alphabet import Profile, profile_from_json
from pipeline.errors import InputError, MismatchError, UsageError, from_os_error

FORMAT_VERSION = 1
MODEL_JSON = "model.json"
WEIGHTS = "model.safetensors"

Weights = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Model:
    """A trained model, without its weights.

    Attributes:
        architecture: Kind and sizes of the network.
        profile: Of the codes that it takes.
        labels: In the order of its logits.
        temperature: Logits are divided by it before the softmax.
        dataset_fingerprint: What it was trained on.
        weights_bytes: Size of the weights' file.
        weights_sha256: Hash of the weights' file.
        versions: Of charmill and of what trained it.
    """

    architecture: Architecture
    profile: Profile
    labels: list[str]
    temperature: float
    dataset_fingerprint: str
    weights_bytes: int
    weights_sha256: str
    versions: dict[str, str]

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
            "temperature": self.temperature,
            "dataset_fingerprint": self.dataset_fingerprint,
            "weights": {"file": WEIGHTS, "bytes": self.weights_bytes, "sha256": self.weights_sha256},
            "versions": self.versions,
        }
        return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that name this model, weights and all."""
        return hashlib.sha256(self.to_bytes()).hexdigest()[:16]


def read_model(run: Path) -> Model:
    """Read and check a run's `model.json`.

    Raises:
        UsageError: The folder is not a finished run.
        InputError: The file is damaged.
        MismatchError: Another format version, or a profile that this charmill encodes otherwise.
    """
    path = run / MODEL_JSON
    if not run.is_dir():
        raise UsageError(f"{run}: there is no such run; name the folder that python -m jobs.train wrote", path=run)
    if not path.exists():
        raise UsageError(
            f"{run}: {MODEL_JSON} is missing, so no training has finished there; go on with python -m jobs.train --resume",
            path=run,
        )
    try:
        content = json.loads(path.read_bytes())
        version = content["format_version"]
        if version != FORMAT_VERSION:
            raise MismatchError(
                f"{path}: format_version is {version}, expected {FORMAT_VERSION}; train again with this charmill",
                path=path,
            )
        return Model(
            architecture=config_from_json(content["architecture"]),
            profile=profile_from_json(content["profile"], str(run)),
            labels=[str(label) for label in content["labels"]],
            temperature=float(content["temperature"]),
            dataset_fingerprint=content["dataset_fingerprint"],
            weights_bytes=content["weights"]["bytes"],
            weights_sha256=content["weights"]["sha256"],
            versions=content["versions"],
        )
    except OSError as error:
        raise from_os_error(error, "read", path) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: it is damaged ({type(error).__name__}: {error}); train again", path=path) from error


def read_weights(run: Path, model: Model) -> Weights:
    """Read a run's weights, float32 by name, and check them against `model.json`.

    Raises:
        InputError: The file is missing, cut off or altered.
    """
    path = run / WEIGHTS
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: the model's weights are missing; train again", path=path) from error
    except OSError as error:
        raise from_os_error(error, "read", path) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != model.weights_sha256:
        raise InputError(
            f"{path}: the model is corrupt, expected {model.weights_bytes:,} bytes with SHA-256 {model.weights_sha256[:16]}, "
            f"got {len(data):,} with {digest[:16]}; copy the run again or train again",
            path=path,
        )
    try:
        return load(data)
    except SafetensorError as error:
        raise InputError(f"{path}: the model is corrupt ({error}); train again", path=path) from error
