"""What a run says of itself agrees with its rows, counted one by one."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from model.measuring.calibration import confidences
from model.measuring.held_out import MAX_LOGITS, HeldOut, choose_rows, make_evaluation
from model.runs.accuracy import accuracy_of
from model.runs.evaluation import RunEvaluation
from pipeline.dataset.manifest import VALID, Manifest, read_manifest
from pipeline.dataset.shards import open_labels
from pipeline.inspection.duplicates import SeenRows, find_seen
from tests.datasets import make_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With several shards held out."""
    return make_dataset(tmp_path_factory.mktemp("measuring"), 400, valid_fraction=0.3, shard_rows=20)


def made_up(dataset: Path, max_logits: int = MAX_LOGITS) -> tuple[Manifest, HeldOut]:
    """Logits that are right for most rows."""
    manifest = read_manifest(dataset)
    rows = choose_rows(manifest, max_logits)
    labels = np.concatenate([open_labels(dataset, shard) for shard in manifest.shards if shard.split == VALID])
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (len(rows), len(manifest.labels))).astype(np.float32)
    label_ids = labels[rows].astype(np.int64)
    logits[np.arange(len(rows)), label_ids] += 2
    return manifest, HeldOut(rows=rows, logits=logits, label_ids=label_ids)


def measured(dataset: Path, manifest: Manifest, held_out: HeldOut) -> RunEvaluation:
    seen = find_seen(dataset, manifest, num_threads=1)
    return make_evaluation(dataset, manifest, held_out, seen, baseline=None, layers=[])


def test_all_figures_belong_to_the_same_rows(dataset: Path) -> None:
    manifest, held_out = made_up(dataset)
    got = measured(dataset, manifest, held_out)
    is_right = held_out.logits.argmax(1) == held_out.label_ids
    num_rows = manifest.num_rows(VALID)
    assert got.rows_valid == num_rows == sum(got.lengths_valid)
    assert got.rows_train == sum(got.lengths_train)
    assert got.confusion == confusion_matrix(held_out.label_ids, held_out.logits.argmax(1)).tolist()
    assert got.accuracy == accuracy_of(int(is_right.sum()), num_rows)
    assert got.macro_f1 == pytest.approx(f1_score(held_out.label_ids, held_out.logits.argmax(1), average="macro"))
    assert (got.dataset, sum(source.rows for source in got.sources)) == (str(dataset), got.rows_train + num_rows)
    assert got.loss < got.loss_uncalibrated
    assert sum(one.rows for one in got.calibrated.bins) == num_rows
    assert sum(count for _, count in got.characters) == sum(
        length * count for length, count in enumerate(got.lengths_train)
    )
    assert dict(got.characters)["e"] > dict(got.characters)["q"]
    content = json.loads(got.to_bytes(), parse_constant=pytest.fail)
    assert content["temperature"] == got.temperature


@pytest.mark.parametrize("max_logits", [1 << 20, 3 * 70])
def test_mistakes_are_the_rows_they_say(dataset: Path, max_logits: int) -> None:
    manifest, held_out = made_up(dataset, max_logits)
    got = measured(dataset, manifest, held_out)
    assert got.rows_valid == min(max_logits // 3, manifest.num_rows(VALID))
    wrong = np.flatnonzero(held_out.logits.argmax(1) != held_out.label_ids)
    values = confidences(held_out.logits, got.temperature)
    assert [mistake.confidence for mistake in got.mistakes] == sorted(values[wrong].tolist(), reverse=True)[:25]
    frame = pl.concat([pl.read_parquet(dataset / shard.rows) for shard in manifest.shards if shard.split == VALID])
    records = frame["record"].to_list()
    for mistake in got.mistakes:
        place = records.index(mistake.record)
        assert (mistake.source, mistake.text) == (frame["source"][place], frame["text"][place])
        row = held_out.rows.tolist().index(place)
        assert mistake.label == manifest.labels[held_out.label_ids[row]]
        assert mistake.prediction == manifest.labels[held_out.logits[row].argmax()] != mistake.label
        assert mistake.confidence == values[row]


def test_without_a_mistake_there_is_nothing_to_divide_by(dataset: Path) -> None:
    manifest, held_out = made_up(dataset)
    held_out.logits[np.arange(len(held_out.rows)), held_out.label_ids] += 50
    got = measured(dataset, manifest, held_out)
    assert (got.accuracy.share, got.macro_f1, got.mistakes) == (1, 1, [])
    assert got.loss == pytest.approx(0)
    assert got.targets[0].reached is not None
    assert got.targets[0].reached.min_confidence == 0
    json.loads(got.to_bytes(), parse_constant=pytest.fail)


def test_accuracy_with_and_without_the_rows_that_training_had(dataset: Path) -> None:
    manifest, held_out = made_up(dataset)
    is_right = held_out.logits.argmax(1) == held_out.label_ids
    for by_codes in (np.zeros_like(is_right), np.ones_like(is_right), np.arange(len(is_right)) % 3 == 0):
        seen = SeenRows(by_codes=by_codes, by_text=by_codes & (np.arange(len(is_right)) % 2 == 0))
        got = make_evaluation(dataset, manifest, held_out, seen, baseline=None, layers=[]).seen
        assert (got.rows, got.rows_as_codes) == (seen.by_text.sum(), by_codes.sum())
        for accuracy, chosen in ((got.accuracy, by_codes), (got.accuracy_without, ~by_codes)):
            assert accuracy == (accuracy_of(int(is_right[chosen].sum()), int(chosen.sum())) if chosen.any() else None)
