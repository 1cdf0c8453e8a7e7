"""The models that a benchmark scores with: trained for a moment; random without torch, which scores as fast. For jobs.bench only."""

import hashlib
from pathlib import Path
from typing import Any

from jobs.bench.data import make_data
from jobs.bench.setup import Ground, ProfileName, encoded
from jobs.bench.timing import quiet

SAMPLE_ROWS = 5_000
_SEED_BATCHES = 8

PROFILE_OF: dict[str, ProfileName] = {"ngram": "bytes", "charcnn": "seed"}
"""The default recipe's, and the article's."""


def sample_dataset(ground: Ground, profile: ProfileName = "bytes") -> Path:
    """A dataset of some of the titles, to train a moment on."""
    num_rows = min(SAMPLE_ROWS, ground.data.num_rows)
    return encoded(ground, make_data(ground.data.kind, ground.folder / "sample.csv", num_rows), "sample", profile)


def make_run(ground: Ground, arch: str) -> Path:
    """A run of an architecture, made once: ``ngram`` by the default recipe, ``charcnn`` by the article's."""
    run = ground.folder / f"run-{arch}"
    if run.exists():
        return run
    dataset = sample_dataset(ground, PROFILE_OF[arch])
    if ground.absence("torch") is None:
        from jobs import train

        flags: dict[str, Any] = {"recipe": "seed", "limit_batches": _SEED_BATCHES} if arch == "charcnn" else {}
        with quiet():
            train.run(train.TrainJobConfig(dataset, out=run, epochs=1, baseline="none", common=ground.common, **flags))
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
        versions={},
    )
    run.mkdir()
    (run / WEIGHTS).write_bytes(weights)
    (run / MODEL_JSON).write_bytes(model.to_bytes())


def count_flops(config: Any, profile: Any, num_classes: int) -> int:
    """Multiplications and additions that the article's network does for a row, in its matrix products and convolutions."""
    shapes = config.weight_shapes(profile, num_classes)
    count = 0
    for name, shape in shapes.items():
        if len(shape) > 1:
            size = 1
            for length in shape:
                size *= length
            count += 2 * size * (profile.max_length if name.startswith("conv") else 1)
    return count
