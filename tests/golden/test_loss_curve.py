"""The CPU loss curve of recipe `seed`: a change of network, loss, optimiser, order or first weights shows here first."""

import json
from pathlib import Path

import pytest

from tests.datasets import QUIET, make_dataset, make_run

GOLDEN = Path(__file__).parent / "loss_curve.json"


def test_the_loss_curve_of_recipe_seed(tmp_path: Path) -> None:
    """To renew it after a change that is meant to move it, delete the file and run this test once."""
    dataset = make_dataset(tmp_path, 400, split="random", valid_fraction=0.2)
    run = make_run(dataset, tmp_path / "run", recipe="seed", epochs=6, batch_size=32, lr=1e-3, limit_batches=8)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    curve = [{name: line[name] for name in ("epoch", "train_loss", "valid_loss", "valid_accuracy")} for line in lines]
    if not GOLDEN.exists():
        GOLDEN.write_text(json.dumps(curve, indent=1) + "\n")
        pytest.fail(f"{GOLDEN} was missing and is written now: look at it and run this again")
    golden = json.loads(GOLDEN.read_text())
    assert len(curve) == len(golden)
    for got, expected in zip(curve, golden, strict=True):
        for name in ("train_loss", "valid_loss"):
            assert got[name] == pytest.approx(expected[name], rel=1e-4), f"{name} of epoch {got['epoch']}"
        assert got["valid_accuracy"] == pytest.approx(expected["valid_accuracy"], abs=0.02)


def test_recipe_seed_starts_as_the_article_does(agnews: Path, tmp_path: Path) -> None:
    """Loss 1.4 after the first 93 batches; the article had a fifth class that no row is of, and a split of its own."""
    from jobs import encode
    from jobs.cli.reading_flags import ReadingConfig

    reading = ReadingConfig(text="title", columns="label,title,description")
    dataset = tmp_path / "dataset"
    encode.run(
        encode.EncodeConfig((str(agnews),), out=dataset, reading=reading, split="random", profile="seed", common=QUIET)
    )
    run = make_run(dataset, tmp_path / "run", recipe="seed", limit_batches=93, epochs=3)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["rows"] == 93 * 128
    assert lines[0]["train_loss"] == pytest.approx(1.39, abs=0.03)
    assert lines[0]["batch_accuracy"] == pytest.approx(0.31, abs=0.12)
    assert lines[2]["train_loss"] < lines[0]["train_loss"] - 0.01
    assert lines[2]["valid_accuracy"] > 0.27
