"""A run on disk: what is read back is what was written, and whatever is damaged is refused with what to do."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.architectures.base import config_to_json
from model.architectures.ngram.config import NgramConfig
from model.engines.load import load_predictor
from model.runs.model_file import read_model, read_weights
from pipeline.dataset.manifest import read_manifest
from pipeline.errors import InputError, MismatchError, UsageError
from pipeline.text.alphabet import get_profile
from tests.datasets import LABELS, shared_dataset, shared_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(shared_run("charcnn"), tmp_path / "run"))


def _edit(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((run / "model.json").read_text())
    change(content)
    (run / "model.json").write_text(json.dumps(content))


def test_a_model_says_what_it_is(run: Path) -> None:
    model = read_model(run)
    manifest = read_manifest(shared_dataset())
    assert model.labels == list(LABELS)
    assert model.profile == get_profile("seed")
    assert model.dataset_fingerprint == manifest.fingerprint
    assert model.temperature == 1
    assert set(model.versions) == {"charmill", "torch", "numpy"}
    assert model.to_bytes() == (run / "model.json").read_bytes()
    weights = read_weights(run, model)
    assert weights["conv_1.weight"].dtype == np.float32
    assert replace(model, weights_sha256="x").fingerprint != model.fingerprint


def test_no_run_and_no_finished_run_are_told_apart(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such run"):
        read_model(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="there is no such run"):
        read_model(run / "model.json")
    (run / "model.json").unlink()
    with pytest.raises(UsageError, match=r"no training has finished.*--resume"):
        read_model(run)
    with pytest.raises(UsageError, match="it is a dataset, from which"):
        read_model(shared_dataset())
    with pytest.raises(UsageError, match=r"not a run, model\.json is missing; name the folder"):
        read_model(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", "null", "\xff", '{"format_version": 2}', '{"format_version": 2, "labels": 3}']
)
def test_a_damaged_model_json_is_refused(run: Path, content: str) -> None:
    (run / "model.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=r"model\.json: it is damaged"):
        read_model(run)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(temperature=0),
        lambda content: content.update(temperature=float("nan")),
        lambda content: content.update(temperature="warm"),
        lambda content: content.update(labels=[]),
        lambda content: content.update(labels=["a", "a"]),
        lambda content: content.update(architecture={"name": ["ngram"]}),
        lambda content: content.update(profile={"name": "seed", "max_length": "64", "fingerprint": ""}),
        lambda content: content.update(weights={}),
    ],
)
def test_values_that_make_no_sense_are_refused(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    _edit(run, change)
    with pytest.raises(InputError, match=r"model\.json: it is damaged"):
        read_model(run)


def test_another_format_version_is_refused_with_both(run: Path) -> None:
    _edit(run, lambda content: content.update(format_version=1))
    with pytest.raises(MismatchError, match="format_version is 1, expected 2"):
        read_model(run)


def test_another_profile_fingerprint_is_refused_with_both(run: Path) -> None:
    _edit(run, lambda content: content["profile"].update(fingerprint="0123456789abcdef"))
    with pytest.raises(MismatchError) as caught:
        read_model(run)
    assert "0123456789abcdef" in str(caught.value)
    assert get_profile("seed").fingerprint in str(caught.value)


def test_an_architecture_of_another_charmill_is_refused(run: Path) -> None:
    _edit(run, lambda content: content["architecture"].update(name="transformer"))
    with pytest.raises(InputError, match=r"'transformer': expected one of charcnn, "):
        read_model(run)


@pytest.mark.parametrize("damage", ["cut", "flipped", "longer", "empty", "missing"])
def test_damaged_weights_are_refused(run: Path, damage: str) -> None:
    path = run / "model.safetensors"
    data = path.read_bytes()
    damaged = {
        "cut": data[:-1],
        "flipped": data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
        "longer": data + b"\0",
        "empty": b"",
    }
    path.unlink() if damage == "missing" else path.write_bytes(damaged[damage])
    with pytest.raises(InputError, match=r"model\.safetensors: the model('s weights are missing| is corrupt)"):
        read_weights(run, read_model(run))


@pytest.mark.parametrize("engine", ["folded", "torch"])
@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["labels"].append("minerals"),
        lambda content: content["architecture"].update(hidden=63),
        lambda content: content["architecture"].update(channels_1=31),
        lambda content: content.update(architecture=config_to_json(NgramConfig(buckets=8))),
    ],
    ids=["labels", "hidden", "channels", "kind"],
)
def test_weights_that_do_not_fit_are_refused(
    run: Path, engine: Any, change: Callable[[dict[str, Any]], object]
) -> None:
    _edit(run, change)
    with pytest.raises(InputError, match=r"the weights do not fit the architecture: .*; train again"):
        load_predictor(run, read_model(run), engine=engine, device="cpu", num_threads=1)
