"""Small made-up inputs, datasets and runs for tests. Whatever is cached here is shared by all tests of a process: never write to it."""

import atexit
import random
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs import encode, train
from jobs.cli.flags import CommonConfig
from jobs.cli.reading_flags import ReadingConfig
from model.architectures.base import Architecture
from model.architectures.lstm.config import LstmConfig
from model.architectures.ngram.config import NgramConfig
from model.architectures.registry import CONFIGS, build_network
from model.architectures.trained import Model, Weights
from pipeline.text.alphabet import Codes, Profile

LABELS = ("animals", "plants", "tools")
_WORDS = {
    "animals": ("otter", "heron", "badger", "newt", "weasel", "plover"),
    "plants": ("bracken", "juniper", "sedge", "clover", "lichen", "alder"),
    "tools": ("chisel", "spanner", "mallet", "awl", "pliers", "gimlet"),
}
_REST = ("in the rain", "of 1912", "sold again", "near the old mill", "and friends", "seen twice")
QUIET = CommonConfig(threads=1)
SMALL_BUCKETS = 512


def titles(num_rows: int, seed: int = 0) -> list[tuple[str, str]]:
    """(label, title), separable by their words; every title has a number of its own, so few are the same."""
    choose = random.Random(seed)
    rows = []
    for row in range(num_rows):
        label = choose.choice(LABELS)
        first, second = choose.choice(_WORDS[label]), choose.choice(_WORDS[label])
        rows.append((label, f"{first} and {second} {choose.choice(_REST)} {row}"))
    return rows


def write_csv(path: Path, rows: Sequence[Sequence[str]], header: str = "label,title") -> Path:
    lines = [",".join(f'"{field}"' if "," in field or "\n" in field else field for field in row) for row in rows]
    path.write_text("\n".join([*([header] if header else []), *lines, ""]), encoding="utf-8")
    return path


def make_csv(path: Path, num_rows: int, seed: int = 0) -> Path:
    return write_csv(path, titles(num_rows, seed))


def make_dataset(folder: Path, num_rows: int, *, seed: int = 0, **flags: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    csv = make_csv(folder / f"titles-{seed}.csv", num_rows, seed)
    out = folder / f"dataset-{seed}"
    flags = {"profile": "seed"} | flags
    encode.run(encode.EncodeConfig((str(csv),), out=out, reading=ReadingConfig(text="title"), common=QUIET, **flags))
    return out


def make_run(dataset: Path, out: Path, **flags: Any) -> Path:
    train.run(train.TrainJobConfig(dataset, out=out, common=QUIET, **({"baseline": "none"} | flags)))
    return out


@cache
def _shared() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="charmill-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def shared_dataset() -> Path:
    """600 rows, of which about a fifth is held out, in several shards."""
    return make_dataset(_shared(), 600, valid_fraction=0.2, shard_rows=150)


def shared_run(arch: str = "ngram") -> Path:
    """A run that classifies those titles well. The `ngram` and the `lstm` network are small ones."""
    return _shared_run(arch)


@cache
def _shared_run(arch: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        shrink_ngram(patch)
        shrink_lstm(patch)
        return make_run(shared_dataset(), _shared() / f"run-{arch}", arch=arch, epochs=6, batch_size=32)


def shrink_ngram(patch: pytest.MonkeyPatch) -> None:
    """Make new `ngram` networks small, so that a checkpoint takes no time."""
    patch.setitem(CONFIGS, "ngram", partial(NgramConfig, buckets=SMALL_BUCKETS))


def shrink_lstm(patch: pytest.MonkeyPatch) -> None:
    """Make new `lstm` networks small, so that a step takes no time."""
    patch.setitem(CONFIGS, "lstm", partial(LstmConfig, dim=16, hidden=24))


def random_codes(profile: Profile, num_rows: int, seed: int = 0) -> Codes:
    """Codes uint8 [N, L]: texts of all lengths, then some that no text would give, such as fill in the middle."""
    generator = np.random.default_rng(seed)
    length, fill = profile.max_length, profile.fill
    codes = generator.integers(0, fill, (num_rows, length), dtype=np.uint8)
    lengths = generator.integers(0, length + 1, num_rows)
    codes[np.arange(length) >= lengths[:, None]] = fill
    holes = generator.random((num_rows // 4, length)) < 0.3
    codes[: num_rows // 4][holes] = fill
    codes[0] = fill
    codes[-1] = 0
    return codes


def random_model(
    config: Architecture, profile: Profile, *, num_classes: int = 4, temperature: float = 1.0
) -> tuple[Model, Weights]:
    """A model with random weights, large enough that its probabilities are far from equal, and none of them left as it begins."""
    import torch

    torch.manual_seed(3)
    network = build_network(config, profile, num_classes)
    weights = {name: 3 * tensor.numpy() for name, tensor in network.state_dict().items()}
    generator = np.random.default_rng(3)
    for name, array in weights.items():
        if name.startswith("norm"):  # Norms begin with ones and zeros; a variance stays far above 0.
            weights[name] = array + generator.normal(0, 0.5, array.shape).astype(np.float32)
        elif not array.any():  # An n-gram's numbers begin as zeros, and so does the offset of a class.
            weights[name] = generator.normal(0, 0.1, array.shape).astype(np.float32)
    if "bag.weight" in weights:
        weights["bag.weight"][-1] = 0  # The row of "no n-gram here".
    model = Model(
        architecture=config,
        profile=profile,
        labels=[f"label {index}" for index in range(num_classes)],
        temperature=temperature,
        dataset_fingerprint="0" * 16,
        weights_bytes=0,
        weights_sha256="",
        texts_bytes=0,
        texts_sha256="",
        versions={},
    )
    return model, weights
