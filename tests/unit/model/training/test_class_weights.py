"""Balanced weights, against scikit-learn's and by what they are for."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from jobs import encode
from jobs.cli.reading_flags import ReadingConfig
from model.measuring.forward import predict_logits
from model.training.class_weights import balanced_weights
from model.training.loop import Training
from model.training.recipe import resolve
from pipeline.batches.gather import ShardRows
from pipeline.dataset.manifest import TRAIN, VALID, read_manifest
from pipeline.inspection.histogram import count_classes
from tests.datasets import QUIET, shrink_ngram, write_csv

COMMON, RARE = "common", "rare"


@pytest.fixture(scope="module")
def skewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One row in ten is rare. Half of those, and a ninth of the others, have a word that hints at it: two in three with it are common."""
    folder = tmp_path_factory.mktemp("skewed")
    rows = []
    for row in range(600):
        label = RARE if row % 10 == 0 else COMMON
        hint = row % 20 == 0 if label == RARE else row % 9 == 0
        rows.append((label, f"{'zebra zebra' if hint else 'stone stone'} {chr(97 + row % 26)}{chr(97 + row // 26)}"))
    csv = write_csv(folder / "skewed.csv", rows)
    reading = ReadingConfig(text="title")
    out = folder / "dataset"
    encode.run(
        encode.EncodeConfig((str(csv),), out=out, valid_fraction=0.3, shard_rows=150, reading=reading, common=QUIET)
    )
    return out


def test_they_are_scikit_learns(skewed: Path) -> None:
    manifest = read_manifest(skewed)
    labels = np.concatenate([np.load(skewed / shard.labels) for shard in manifest.shards if shard.split == TRAIN])
    expected = compute_class_weight("balanced", classes=np.arange(2), y=labels)
    weights = balanced_weights(count_classes(skewed, manifest, TRAIN))
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    assert weights.max() > 4 * weights.min()


def test_they_find_the_rare_class(skewed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_ngram(monkeypatch)
    manifest = read_manifest(skewed)
    sizes = {"num_train": manifest.num_rows(TRAIN), "num_valid": manifest.num_rows(VALID)}
    held_out = ShardRows(skewed, [shard for shard in manifest.shards if shard.split == VALID])
    recalls, losses = [], []
    for class_weights in ("none", "balanced"):
        flags = {"epochs": 6, "batch_size": 32, "lr": 0.01, "class_weights": class_weights}
        config = resolve("default", flags, **sizes)
        run = tmp_path / class_weights
        run.mkdir()
        device = torch.device("cpu")
        training = Training(skewed, manifest, config, run, device=device, num_workers=0, checkpoint_seconds=1e9)
        trained = training.run(lambda *_: None, lambda _: None)
        logits, label_ids = predict_logits(trained.network, held_out, np.arange(sizes["num_valid"]), 2, device)
        is_rare = label_ids == manifest.labels.index(RARE)
        recalls.append((logits.argmax(1) == label_ids)[is_rare].mean())
        losses.append(trained.history[-1]["valid_loss"])
    assert recalls[0] < 0.1
    assert recalls[1] > 0.3
    assert losses[0] < losses[1]  # What is held out is measured as it is.
