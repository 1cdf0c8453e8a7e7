"""Training beside peers that learn from the same rows, each with its accuracy on the same held-out rows."""

from functools import partial
from pathlib import Path
from typing import Any

from jobs import train
from jobs.bench.data import make_data
from jobs.bench.peers import FASTTEXT, TFIDF, prepare_fasttext_fit, prepare_tfidf_fit
from jobs.bench.setup import PROFILE_OF, Setup, make_dataset, ready
from jobs.bench.timing import Contestant, Learned, Section

SEED_BATCHES = 93
"""Batches of the article's epoch on its full file."""


def train_sections(setup: Setup) -> list[Section]:
    """Learning from a dataset and measuring on its held-out rows; each contestant's time includes both."""
    from pipeline.dataset.manifest import TRAIN, VALID, read_manifest

    # Each title once: those that are repeated would be learned by heart.
    data = make_data(setup.data.kind, setup.folder / "train.csv", min(setup.train_rows, setup.data.num_once))
    dataset = make_dataset(setup, data, "learned")
    article = make_dataset(setup, data, "learned", PROFILE_OF["charcnn"])
    manifest = read_manifest(dataset)
    rows = manifest.num_rows(TRAIN)
    batches = min(SEED_BATCHES, -(-rows // 128))
    seed_rows = min(batches * 128, rows)
    article_flags: dict[str, Any] = {"recipe": "seed", "epochs": 1, "limit_batches": batches}
    ours, tfidf = partial(_ours, setup), partial(prepare_tfidf_fit, dataset)
    fasttext = partial(prepare_fasttext_fit, dataset, setup.folder / "fasttext.txt", setup.num_threads)
    contestants = [
        ours("recipe default, all its epochs", rows, dataset),
        ours("recipe default, one epoch", rows, dataset, epochs=1),
        ours("one epoch, --compile", rows, dataset, epochs=1, compile=True),
        ours("one epoch, --precision bfloat16", rows, dataset, epochs=1, precision="bfloat16"),
        ours(f"recipe seed, one epoch of {batches} batches", seed_rows, article, **article_flags),
        Contestant(TFIDF, "peer", rows, tfidf, needs=("scikit-learn",)),
        Contestant(f"{FASTTEXT}, 5 epochs", "peer", rows, fasttext, needs=("fasttext",)),
    ]
    title = f"train, {data.title}, {rows:,} rows, {manifest.num_rows(VALID):,} held out"
    return [setup.section("train", title, contestants)]


def _ours(setup: Setup, name: str, num_rows: int, dataset: Path, **flags: Any) -> Contestant:
    job = train.TrainJobConfig(dataset, out=setup.folder / "run", baseline="none", common=setup.common, **flags)
    needs = ("torch", "torch.compile") if flags.get("compile") else ("torch",)
    return Contestant(f"jobs.train, {name}", "ours", num_rows, ready(run_training, job), needs=needs)


def run_training(config: train.TrainJobConfig) -> Learned:
    """Train; returns the accuracy on the held-out rows."""
    return Learned(accuracy=train.run(config)["valid_accuracy"])
