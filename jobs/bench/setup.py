"""What the contestants of a benchmark share: titles, datasets and models made once, and which peers are there."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from jobs.bench.data import Data, make_data
from jobs.bench.timing import Contestant, Section, Work, quiet
from jobs.cli.flags import CommonConfig

ProfileName = Literal["seed", "ascii", "bytes"]

PEERS = {
    "pyarrow": ("pyarrow",),
    "scikit-learn": ("sklearn",),
    "fasttext": ("fasttext",),
    "torch": ("torch", "einops"),
    "torch.compile": ("torch", "einops"),
    "onnxruntime": ("onnxruntime", "onnx"),
}
"""The modules that each needs."""

PROFILE_OF: dict[str, ProfileName] = {"ngram": "bytes", "charcnn": "seed"}
"""The profile of an architecture's dataset: the default recipe's, and the article's."""

SAMPLE_ROWS = 5_000
_SEED_BATCHES = 8


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Where and on what to measure.

    Attributes:
        folder: For everything that is made; goes when the benchmark ends.
        data: The titles.
        train_rows: Rows to train on at most.
        num_threads: For every contestant that can be told.
        log: Form of the jobs' log lines.
        without: Peers to leave out.
    """

    folder: Path
    data: Data
    train_rows: int
    num_threads: int
    log: Literal["text", "json"] = "text"
    without: frozenset[str] = frozenset()

    @property
    def common(self) -> CommonConfig:
        """The flags that every job takes."""
        return CommonConfig(threads=self.num_threads, log=self.log, overwrite=True)

    def why_absent(self, peer: str) -> str | None:
        """Why a peer cannot take part; None where it can."""
        if peer in self.without:
            return "left out by --without"
        missing = [module for module in PEERS[peer] if find_spec(module) is None]
        return f"not installed: {', '.join(missing)}" if missing else None

    def section(self, part: str, title: str, contestants: Sequence[Contestant]) -> Section:
        """A section of those contestants that can take part; it names the others, and what each of them lacks."""
        reasons = {one.name: next(filter(None, map(self.why_absent, one.needs)), None) for one in contestants}
        return Section(
            part=part,
            title=title,
            contestants=[one for one in contestants if reasons[one.name] is None],
            left_out={name: reason for name, reason in reasons.items() if reason is not None},
        )


def ready(function: Callable[..., object], *arguments: object) -> Callable[[], Work]:
    """A `Contestant.prepare` for a call that needs no preparation."""
    return partial(partial, function, *arguments)


def make_dataset(setup: Setup, data: Data, name: str, profile: ProfileName = "bytes") -> Path:
    """A dataset of a CSV, made once for each profile."""
    from jobs import encode

    folder = setup.folder / f"{name}-{profile}"
    if not folder.exists():
        config = encode.EncodeConfig(
            (str(data.path),), out=folder, profile=profile, reading=data.reading, common=setup.common
        )
        with quiet():
            encode.run(config)
    return folder


def make_sample(setup: Setup, profile: ProfileName = "bytes") -> Path:
    """A dataset of some of the titles, to train a moment on."""
    num_rows = min(SAMPLE_ROWS, setup.data.num_rows)
    return make_dataset(setup, make_data(setup.data.kind, setup.folder / "sample.csv", num_rows), "sample", profile)


def make_run(setup: Setup, arch: str) -> Path:
    """A run of an architecture, made once: ``ngram`` by the default recipe, ``charcnn`` by the article's.

    It is trained for a moment; without torch its weights are random, with which scoring is as fast.
    """
    run = setup.folder / f"run-{arch}"
    if run.exists():
        return run
    dataset = make_sample(setup, PROFILE_OF[arch])
    if setup.why_absent("torch") is None:
        from jobs import train

        flags: dict[str, Any] = {"recipe": "seed", "limit_batches": _SEED_BATCHES} if arch == "charcnn" else {}
        with quiet():
            train.run(train.TrainJobConfig(dataset, out=run, epochs=1, baseline="none", common=setup.common, **flags))
    else:
        _write_random_run(dataset, run, arch)
    return run


def _write_random_run(dataset: Path, run: Path, arch: str) -> None:
    import numpy as np
    from safetensors.numpy import save

    from model.architectures.registry import CONFIGS
    from model.architectures.trained import WEIGHTS, Model
    from model.runs.folder import MODEL_JSON
    from pipeline.dataset.manifest import read_manifest

    manifest = read_manifest(dataset)
    config, choose = CONFIGS[arch]().sized(len(manifest.labels)), np.random.default_rng(0)
    shapes = config.weight_shapes(manifest.profile, len(manifest.labels))
    weights = save({name: choose.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()})
    model = Model(
        architecture=config,
        profile=manifest.profile,
        labels=manifest.labels,
        temperature=1.0,
        dataset_fingerprint=manifest.fingerprint,
        weights_bytes=len(weights),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        texts_bytes=0,
        texts_sha256="",
        versions={},
    )
    run.mkdir()
    (run / WEIGHTS).write_bytes(weights)
    (run / MODEL_JSON).write_bytes(model.to_bytes())
