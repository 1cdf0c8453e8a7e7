"""A model read back from a run's folder: `model.json`, and the weights that it names by their hash. Needs no torch."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load

from model.architectures.registry import config_from_json
from model.architectures.trained import FORMAT_VERSION, WEIGHTS, Model, Weights
from model.runs.folder import CONFIG_TOML, MODEL_JSON, REMEDY
from pipeline.dataset.manifest import MANIFEST
from pipeline.errors import InputError, UsageError, from_os_error
from pipeline.storage.json_file import read_json, reading
from pipeline.text.alphabet import StoredProfile, profile_from_json


@dataclass(frozen=True, kw_only=True)
class _StoredFile:
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class _StoredModel:
    """What is read of `model.json`."""

    architecture: dict[str, str | int | float]
    profile: StoredProfile
    labels: list[str]
    label_names: dict[str, str]
    temperature: float
    dataset_fingerprint: str
    weights: _StoredFile
    training_texts: _StoredFile
    versions: dict[str, str]


def read_model(run: Path) -> Model:
    """Read and check a run's `model.json`.

    Raises:
        UsageError: The folder is not a finished run.
        InputError: The file is damaged.
        MismatchError: Another format version, or a profile that this charmill encodes otherwise.
    """
    path = run / MODEL_JSON
    if not run.is_dir():
        raise UsageError(f"{run}: there is no such run; name the folder that charmill train wrote", path=run)
    if not path.exists():
        todo = "name the folder that charmill train wrote"
        if (run / CONFIG_TOML).exists():
            todo = "no training has finished there; go on with charmill train --resume"
        elif (run / MANIFEST).exists():
            todo = "it is a dataset, from which charmill train makes a run"
        raise UsageError(f"{run}: it is not a run, {MODEL_JSON} is missing; {todo}", path=run)
    stored = read_json(path, _StoredModel, (FORMAT_VERSION,), REMEDY)
    with reading(path, REMEDY):
        return Model(
            architecture=config_from_json(stored.architecture),
            profile=profile_from_json(stored.profile, str(run)),
            labels=stored.labels,
            label_names=stored.label_names,
            temperature=stored.temperature,
            dataset_fingerprint=stored.dataset_fingerprint,
            weights_bytes=stored.weights.bytes,
            weights_sha256=stored.weights.sha256,
            texts_bytes=stored.training_texts.bytes,
            texts_sha256=stored.training_texts.sha256,
            versions=stored.versions,
        )


def read_weights(run: Path, model: Model) -> Weights:
    """Read a run's weights, float32 by name, and check them against `model.json`.

    Raises:
        InputError: The file is missing, cut off or altered.
    """
    path = run / WEIGHTS
    data = read_checked(
        path,
        model.weights_bytes,
        model.weights_sha256,
        missing="the model's weights are missing",
        corrupt="the model is corrupt",
    )
    try:
        return load(data)
    except SafetensorError as error:
        raise InputError(f"{path}: the model is corrupt ({error}); {REMEDY}", path=path) from error


def read_checked(path: Path, num_bytes: int, sha256: str, *, missing: str, corrupt: str) -> bytes:
    """Read a file that `model.json` names by its hash.

    Args:
        path: The file.
        num_bytes: Its size, for the message.
        sha256: Its hash, in hexadecimal.
        missing: What to say where it is not there.
        corrupt: What to say where it is another.

    Raises:
        InputError: The file is missing, cut off or altered.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: {missing}; {REMEDY}", path=path) from error
    except OSError as error:
        raise from_os_error(error, "read", path) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise InputError(
            f"{path}: {corrupt}, expected {num_bytes:,} bytes with SHA-256 {sha256[:16]}, got {len(data):,} with {digest[:16]}; {REMEDY}",
            path=path,
        )
    return data
