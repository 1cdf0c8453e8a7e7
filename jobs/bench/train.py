"""Training beside others who learn from the same rows, each with its accuracy on the same held-out rows. For jobs.bench only."""

from functools import partial
from pathlib import Path
from typing import Any

from jobs import train
from jobs.bench.data import make_data
from jobs.bench.models import PROFILE_OF
from jobs.bench.peers import FASTTEXT, TFIDF, prepare_fasttext_fit, prepare_tfidf_fit
from jobs.bench.setup import Ground, Lineup, encoded, ready
from jobs.bench.timing import Learned, Section

SEED_BATCHES = 93
"""Batches of the article's epoch on its full file."""


def train_section(ground: Ground) -> Section:
    """A dataset to a model, measured on the held-out rows: everyone's time has both in it."""
    from pipeline.dataset.manifest import TRAIN, VALID, read_manifest

    # Each title once: those that are repeated would be learned by heart.
    num_rows = min(ground.train_rows, ground.data.num_once)
    data = make_data(ground.data.kind, ground.folder / "train.csv", num_rows)
    dataset = encoded(ground, data, "learned")
    manifest = read_manifest(dataset)
    num_train = manifest.num_rows(TRAIN)
    lineup = Lineup(ground, "train", f"train, {data.title}, {num_train:,} rows, {manifest.num_rows(VALID):,} held out")
    _add_ours(lineup, ground, dataset, num_train)
    _add_article(lineup, ground, encoded(ground, data, "learned", PROFILE_OF["charcnn"]), num_train)
    lineup.add(TFIDF, "peer", num_train, partial(prepare_tfidf_fit, dataset), needs=("scikit-learn",))
    lineup.add(
        f"{FASTTEXT}, 5 epochs",
        "peer",
        num_train,
        partial(prepare_fasttext_fit, dataset, ground.folder / "fasttext.txt", ground.num_threads),
        needs=("fasttext",),
    )
    return lineup.section


def _add_ours(lineup: Lineup, ground: Ground, dataset: Path, num_train: int) -> None:
    add = partial(_add, lineup, ground, dataset)
    add("recipe default, all its epochs", num_train)
    add("recipe default, one epoch", num_train, epochs=1)
    add("one epoch, --compile", num_train, epochs=1, compile=True)
    add("one epoch, --precision bfloat16", num_train, epochs=1, precision="bfloat16")


def _add_article(lineup: Lineup, ground: Ground, dataset: Path, num_train: int) -> None:
    batches = min(SEED_BATCHES, -(-num_train // 128))
    name, num_rows = f"recipe seed, one epoch of {batches} batches", min(batches * 128, num_train)
    _add(lineup, ground, dataset, name, num_rows, recipe="seed", epochs=1, limit_batches=batches)


def _add(lineup: Lineup, ground: Ground, dataset: Path, name: str, num_rows: int, **flags: Any) -> None:
    job = train.TrainJobConfig(dataset, out=ground.folder / "run", baseline="none", common=ground.common, **flags)
    needs = ("torch", "torch.compile") if flags.get("compile") else ("torch",)
    lineup.add(f"jobs.train, {name}", "ours", num_rows, ready(run_training, job), needs=needs)


def run_training(config: train.TrainJobConfig) -> Learned:
    """Train; returns the accuracy on the held-out rows."""
    return Learned(accuracy=train.run(config)["valid_accuracy"])
