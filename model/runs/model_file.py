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
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load

from model.architectures.registry import config_from_json
from model.architectures.trained import FORMAT_VERSION, WEIGHTS, Model, Weights
from pipeline.errors import InputError, MismatchError, UsageError, from_os_error
from pipeline.text.alphabet import profile_from_json

MODEL_JSON = "model.json"


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
