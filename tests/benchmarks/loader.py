"""What the loader costs a training: ``python -m tests.benchmarks.loader``.

Times the same steps fed by the loader and by a list of batches in memory, in turn, for the default recipe's network, the article's and one
that is next to nothing, so that the loader shows; then the loader alone, beside a copy of as many bytes. Runs are short and many, so that
what else the machine does hits both alike, and go through epoch after epoch, whose starts are part of the loader's cost.
"""

import os
import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Literal

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # As every job has it; see jobs/cli/process.py.

import numpy as np
import torch
from torch import nn

from jobs import encode
from jobs.cli.reading_flags import ReadingConfig
from model.architectures.registry import CONFIGS, build_network
from model.training.optim import make_optimizer, make_schedule
from model.training.recipe import resolve
from model.training.step import TrainStep
from pipeline.batches.loader import BatchLoader
from pipeline.batches.shard_dataset import Batch, ShardDataset
from pipeline.dataset.manifest import TRAIN, Manifest, read_manifest
from pipeline.text.alphabet import get_profile
from pipeline.text.synthetic import write_titles
from tests.benchmarks.timing import describe, seconds_in_turn

RUNS = 31
NUM_ROWS = 200_000
SHARD_ROWS = 32_768
BATCH_ROWS = 256
PROFILE: Literal["seed"] = "seed"
CPU = torch.device("cpu")
STEPS = {"ngram": 16, "charcnn": 16, "linear": 256}
"""Steps a run."""


class Linear(nn.Module):
    """The cheapest network there is."""

    def __init__(self, max_length: int) -> None:
        super().__init__()
        self.linear = nn.Linear(max_length, 4)

    def forward(self, codes_BL: torch.Tensor) -> torch.Tensor:
        logits_BK: torch.Tensor = self.linear(codes_BL.float())
        return logits_BK


def make_dataset(folder: Path) -> Path:
    """A dataset of made-up titles in several shards."""
    csv = folder / "titles.csv"
    write_titles(csv, NUM_ROWS, seed=1)
    out = folder / "dataset"
    reading = ReadingConfig(text="title")
    encode.run(encode.EncodeConfig((str(csv),), out=out, profile=PROFILE, shard_rows=SHARD_ROWS, reading=reading))
    return out


def make_step(name: str, *, precision: str = "float32", compiled: bool = False) -> TrainStep:
    """The training's own step of a network."""
    config = resolve("default", {"precision": precision, "compile": compiled}, num_train=NUM_ROWS, num_valid=1)
    profile = get_profile(PROFILE)
    torch.manual_seed(1)
    network = build_network(CONFIGS[name]().sized(4), profile, 4) if name in CONFIGS else Linear(profile.max_length)
    optimizer = make_optimizer(config, network.parameters())
    schedule = make_schedule(config, optimizer, 1 << 30)
    return TrainStep(network, optimizer, schedule, CPU, config)


def make_loader(folder: Path, manifest: Manifest) -> BatchLoader:
    """The training's own loader."""
    return BatchLoader(ShardDataset(folder, manifest, TRAIN, batch_size=BATCH_ROWS, shuffle=True), CPU)


def epochs(loader: BatchLoader) -> Iterator[Batch]:
    """Epoch after epoch, without end."""
    while True:
        yield from loader


def measure_steps(name: str, loader: BatchLoader, another: BatchLoader) -> None:
    """Print how fast a network's steps are with the loader, as a share of the same with batches in memory.

    The last figure holds on a busy machine too: core-seconds of a loader whose batches nobody uses, as a share of the steps'.
    """
    step = make_step(name)
    feeds = epochs(loader), cycle(list(loader))
    drained = epochs(another)

    def train(feed: Iterator[Batch]) -> None:
        for batch in islice(feed, STEPS[name]):
            step(*batch)

    def drain() -> None:
        for _ in islice(drained, STEPS[name]):
            pass

    fed, in_memory, alone = seconds_in_turn(*(partial(train, feed) for feed in feeds), drain, runs=RUNS)
    share = sum(run.cores for run in alone) / sum(run.cores for run in in_memory)
    pairs = list(zip(fed, in_memory, strict=True))
    print(  # noqa: T201
        f"{name:<8} step rate, loader / in memory: {describe(memory.wall / own.wall for own, memory in pairs)} by the clock, "
        f"{describe(memory.cores / own.cores for own, memory in pairs)} in core-seconds; "
        f"the loader alone takes {share:.2%} of the steps' core-seconds",
        flush=True,
    )


def measure_alone(loader: BatchLoader) -> None:
    """Print the loader's rate, beside a copy of the same bytes."""
    batches = list(loader)
    codes_NL = np.concatenate([batch[0].numpy() for batch in batches])
    label_ids_N = np.concatenate([batch[1].numpy() for batch in batches])
    copies = np.empty_like(codes_NL), np.empty_like(label_ids_N)

    def drain() -> None:
        for _ in loader:
            pass

    def copy() -> None:
        np.copyto(copies[0], codes_NL)
        np.copyto(copies[1], label_ids_N)

    alone, copied = seconds_in_turn(drain, copy, runs=RUNS)
    rates = [len(codes_NL) / statistics.median(run.wall for run in runs) for runs in (alone, copied)]
    print(f"loader alone {rates[0]:,.0f} rows/s, memcpy {rates[1]:,.0f} rows/s, ratio {rates[0] / rates[1]:.3f}")  # noqa: T201


def main() -> None:
    """Measure on made-up titles."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = make_dataset(Path(temporary))
        manifest = read_manifest(folder)
        for name in STEPS:
            measure_steps(name, make_loader(folder, manifest), make_loader(folder, manifest))
        measure_alone(make_loader(folder, manifest))


if __name__ == "__main__":
    main()
