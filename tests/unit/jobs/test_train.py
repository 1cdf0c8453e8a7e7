"""The train job as a command; what it learns is in test_training.py."""

import json
import random
import re
import shutil
import tomllib
from pathlib import Path

import polars as pl
import pytest

from jobs.cli.parse import parse
from jobs.train import TrainJobConfig
from model.architectures.registry import CONFIGS
from pipeline.dataset.manifest import read_manifest
from pipeline.dataset.shards import open_labels
from tests.commands import call, call_here, files_in, hide
from tests.datasets import LABELS, make_dataset, shared_dataset, shrink_ngram, titles, write_csv

Capsys = pytest.CaptureFixture[str]
QUICK = ["--epochs", 2, "--batch-size", 64, "--threads", 1, "--baseline", "none"]
RUN_FILES = {
    "model.json",
    "model.safetensors",
    "training_texts.npy",
    "evaluation.json",
    "metrics.jsonl",
    "config.toml",
} | {"report.html"}


@pytest.fixture(autouse=True)
def _small_ngram(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_ngram(monkeypatch)


def test_the_report_and_the_run_have_what_the_contract_names(tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "run"
    done = call_here(capsys, "train", shared_dataset(), "--out", out, "--json", *QUICK)
    assert done.code == 0, done.err
    report = done.report
    assert {"valid_accuracy", "epochs", "seconds", "outputs"} <= set(report)
    assert report["epochs"] == 2
    assert {Path(path).name for path in report["outputs"]} == RUN_FILES
    assert set(files_in(out)) >= RUN_FILES | {"checkpoints/last.safetensors"}
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["valid_accuracy"] == report["valid_accuracy"]
    config = tomllib.loads((out / "config.toml").read_text())
    assert (config["recipe"], config["epochs"], config["batch_size"], config["lr"]) == ("default", 2, 64, 0.02)
    assert not done.said
    assert "epoch 1  valid_accuracy " in done.err
    html = (out / "report.html").read_text()
    assert f"{100 * report['valid_accuracy']:.2f} %" in html


def test_what_was_measured_is_in_the_report_the_table_and_the_run(tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "run"
    tokens: list[object] = [shared_dataset(), "--out", out, *QUICK[:-1]]
    done = call_here(capsys, "train", *tokens, "tfidf", "--json")
    assert (done.code, done.said) == (0, [])
    report = done.report
    written = json.loads((out / "evaluation.json").read_bytes())
    model = json.loads((out / "model.json").read_bytes())
    assert report["temperature"] == written["temperature"] == model["temperature"] != 1
    assert report["baseline_accuracy"] == written["baseline"]["accuracy"]["share"] > 0.95
    assert report["valid_accuracy_interval"] == [written["accuracy"]["low"], written["accuracy"]["high"]]
    assert report["valid_accuracy_rows"] == report["rows_valid"] == 112
    assert report["valid_macro_f1"] == written["macro_f1"] > 0.9
    assert report["calibration_error"] == written["calibrated"]["ece"]
    assert report["valid_accuracy_unseen"] == written["seen"]["accuracy_without"]["share"]
    assert report["targets"] == written["targets"]
    assert report["valid_rows_seen"]["text"] == 0
    assert [layer["name"] for layer in written["layers"]] == ["bag", "linear"]
    table = call_here(capsys, "train", *tokens, "none", "--overwrite").out
    assert "baseline" not in table
    assert re.search(r"^accuracy on held-out rows +\d+\.\d\d% \(\d\d\.\d to \d+\.\d, 112 rows\)$", table, re.MULTILINE)
    assert "last batch" not in table
    assert "batch_accuracy" not in done.err
    assert re.search(r"^temperature +\d\.\d{3}$", table, re.MULTILINE)
    assert "for 95% accuracy" in table


def test_a_reader_is_told_that_texts_are_cut(tmp_path: Path, capsys: Capsys) -> None:
    for length, is_cut in ((8, True), (64, False)):
        dataset = make_dataset(tmp_path / str(length), 200, max_length=length)
        done = call_here(capsys, "train", dataset, "--out", tmp_path / f"run-{length}", *QUICK)
        assert done.code == 0, done.err
        told = re.search(r"as long as a row of codes +\d+\.\d%, most of them cut at 8; .*--max-length", done.out)
        assert bool(told) == is_cut


def test_classes_without_rows_are_named(tmp_path: Path, capsys: Capsys) -> None:
    rows = [
        ("ab"[row % 2], f"{'otter' if row % 2 else 'heron'} {chr(97 + row % 26)}{chr(97 + row // 26)}")
        for row in range(200)
    ]
    csv = write_csv(tmp_path / "in.csv", [*rows, ("rare", "some weasel")])
    dataset = tmp_path / "dataset"
    assert call_here(capsys, "encode", csv, "--out", dataset, "--text", "title").code == 0
    done = call_here(capsys, "train", dataset, "--out", tmp_path / "run", *QUICK)
    assert done.code == 0, done.err
    assert re.search(
        r"warning: classes without a (held-out|training) row: 'rare' \(1 (to train from|held out)\)", done.err
    )


def test_classes_that_are_never_recognised_are_named(tmp_path: Path, capsys: Capsys) -> None:
    """The rare class has the texts of the frequent ones, so that nothing can tell it apart."""
    rows = [
        ("rare" if row % 10 == 0 else "ab"[row % 2], f"{'otter' if row % 2 else 'heron'} {row}") for row in range(400)
    ]
    csv, dataset = write_csv(tmp_path / "in.csv", rows), tmp_path / "dataset"
    assert call_here(capsys, "encode", csv, "--out", dataset, "--text", "title").code == 0
    report = call_here(capsys, "train", dataset, "--out", tmp_path / "a", "--json", *QUICK).report
    assert report["classes_never_recognised"] == ["rare"]
    done = call_here(capsys, "train", dataset, "--out", tmp_path / "b", *QUICK)
    assert re.search(r"^  classes never recognised +1 of 3: 'rare'$", done.out, re.MULTILINE), done.out
    assert "1 of 3 classes is never recognised" in (tmp_path / "b" / "report.html").read_text()
    done = call_here(capsys, "train", shared_dataset(), "--out", tmp_path / "c", *QUICK)
    assert "never recognised" not in done.out


def test_a_threshold_gives_what_it_says_when_scored(tmp_path: Path, capsys: Capsys) -> None:
    """Train says how many rows a threshold keeps and how many are right; score, by another engine, must find the same."""
    choose = random.Random(0)
    rows = [(choose.choice(LABELS) if "seen twice" in title else label, title) for label, title in titles(1500)]
    csv, dataset, run = write_csv(tmp_path / "in.csv", rows), tmp_path / "dataset", tmp_path / "run"
    assert call_here(capsys, "encode", csv, "--out", dataset, "--text", "title", "--valid-fraction", 0.4).code == 0
    report = call_here(capsys, "train", dataset, "--out", run, "--json", *QUICK[2:], "--epochs", 8).report
    reached = report["targets"][0]["reached"]
    assert 0.1 < reached["coverage"] < 1
    manifest = read_manifest(dataset)
    held_out = []
    for shard in manifest.shards:
        if shard.split == "valid":
            texts = pl.read_parquet(dataset / shard.rows)["text"].to_list()
            labels = [manifest.labels[index] for index in open_labels(dataset, shard)]
            held_out += list(zip(labels, texts, strict=True))
    csv, scores = write_csv(tmp_path / "held_out.csv", held_out), tmp_path / "scores.parquet"
    flags: list[object] = ["--text", "title", "--label", "label", "--engine", "folded", "--run", run, "--out", scores]
    threshold = repr(reached["min_confidence"])
    done = call_here(capsys, "score", csv, *flags, "--min-confidence", threshold)
    assert done.code == 0, done.err
    assert f"without those abstained  {reached['accuracy']['share']:.2%} (" in done.out
    kept = pl.read_parquet(scores).filter(~pl.col("abstained"))
    assert len(kept) / len(held_out) == reached["coverage"]
    is_right = kept["prediction"].cast(pl.String) == kept["label"]
    assert is_right.mean() == pytest.approx(reached["accuracy"]["share"])
    assert reached["accuracy"]["share"] >= 0.95


def test_logs_for_machines_are_json_with_numbers(tmp_path: Path, capsys: Capsys) -> None:
    done = call_here(capsys, "train", shared_dataset(), "--out", tmp_path / "run", "--log", "json", *QUICK)
    lines = [json.loads(line) for line in done.err.splitlines()]
    events = [line["event"] for line in lines if line["event"] not in {"train", "layer"}]
    assert events == ["training", "epoch 1", "epoch 2"]
    *layers, total = [line for line in lines if line["event"] == "layer"]
    assert total["name"] == "total"
    assert total["parameters"] == sum(layer["parameters"] for layer in layers) > 0
    assert ("linear", "Offset", "3") in {(layer["name"], layer["kind"], layer["shape"]) for layer in layers}
    assert all(list(line)[:3] == ["timestamp", "level", "event"] for line in lines)
    assert lines[-1]["interval"][0] < lines[-1]["valid_accuracy"] <= lines[-1]["interval"][1]
    assert isinstance(lines[0]["rows"], int)


def test_the_same_command_gives_the_same_bytes(tmp_path: Path, capsys: Capsys) -> None:
    for out in ("a", "b"):
        assert call_here(capsys, "train", shared_dataset(), "--out", tmp_path / out, *QUICK).code == 0
    a, b = files_in(tmp_path / "a"), files_in(tmp_path / "b")
    for name in ("model.safetensors", "model.json"):
        assert a[name] == b[name]


def test_a_run_is_replaced_only_when_asked_and_nothing_else_ever(tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "run"
    tokens: list[object] = [shared_dataset(), "--out", out, *QUICK]
    assert call_here(capsys, "train", *tokens).code == 0
    before = files_in(out)
    done = call_here(capsys, "train", *tokens)
    assert done.code == 2
    assert re.search("--resume.*--overwrite", done.error)
    assert call_here(capsys, "train", *tokens, "--resume", "--overwrite").code == 2
    assert files_in(out) == before
    assert call_here(capsys, "train", *tokens, "--overwrite", "--lr", "0.03").code == 0
    assert files_in(out)["model.safetensors"] != before["model.safetensors"]
    (out / "notes.txt").write_text("mine")
    done = call_here(capsys, "train", *tokens, "--overwrite")
    assert done.code == 2
    assert "notes.txt" in done.error


def test_resuming_with_other_flags_names_the_field(tmp_path: Path, capsys: Capsys) -> None:
    tokens: list[object] = [shared_dataset(), "--out", tmp_path / "run", *QUICK]
    assert call_here(capsys, "train", *tokens).code == 0
    before = files_in(tmp_path)
    done = call_here(capsys, "train", *tokens, "--resume", "--lr", "0.03")
    assert done.code == 65
    assert "lr was 0.02 and is now 0.03" in done.error
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing"])
def test_a_corrupt_shard_is_refused(damage: str, tmp_path: Path, capsys: Capsys) -> None:
    dataset = Path(shutil.copytree(shared_dataset(), tmp_path / "dataset"))
    path = dataset / "train-00001.codes.npy"
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    done = call_here(capsys, "train", dataset, "--out", tmp_path / "run", *QUICK)
    assert done.code == 65
    assert re.search(r"train-00001\.codes\.npy: the shard is corrupt, expected .*, got .*; encode", done.error)
    assert not (tmp_path / "run").exists()


def test_what_is_no_dataset_is_refused(tmp_path: Path, capsys: Capsys) -> None:
    for dataset in (tmp_path, tmp_path / "nowhere"):
        done = call_here(capsys, "train", dataset, "--out", tmp_path / "run", *QUICK)
        assert done.code == 2
        assert str(dataset) in done.error
    out = tmp_path / "file"
    out.touch()
    done = call_here(capsys, "train", shared_dataset(), "--out", out, *QUICK)
    assert done.code == 2
    assert "it is a file" in done.error


def test_data_that_cannot_be_learnt_from_is_refused(tmp_path: Path, capsys: Capsys) -> None:
    csv = write_csv(tmp_path / "in.csv", [("same", f"title {row}") for row in range(50)])
    assert call_here(capsys, "encode", csv, "--out", tmp_path / "one", "--text", "title").code == 0
    done = call_here(capsys, "train", tmp_path / "one", "--out", tmp_path / "run", *QUICK)
    assert done.code == 65
    assert re.search("all rows are of class 'same', expected two classes or more; .*--label", done.error)
    dataset = make_dataset(tmp_path, 50, valid_fraction=0.0)
    done = call_here(capsys, "train", dataset, "--out", tmp_path / "run", *QUICK)
    assert done.code == 65
    assert "--valid-fraction" in done.error
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_is_said_in_one_line(tmp_path: Path, capsys: Capsys) -> None:
    flags = ["--optimizer", "sgd", "--lr", "1e30", "--arch", "charcnn", *QUICK]
    done = call_here(capsys, "train", shared_dataset(), "--out", tmp_path / "run", *flags)
    assert done.code == 65
    assert re.search(r"epoch 1, batch \d of \d+: the loss is (nan|inf); .*smaller --lr", done.error)
    assert not (tmp_path / "run" / "model.json").exists()


def test_it_says_when_patience_has_ended_and_reports_the_best_epoch(tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "run"
    flags = ["--patience", 1, "--epochs", 20, "--batch-size", 32, "--threads", 1, "--json"]
    done = call_here(capsys, "train", shared_dataset(), "--out", out, *flags)
    assert done.code == 0, done.err
    report = done.report
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert report["epochs"] == len(lines) < 20
    assert report["best_epoch"] == report["weights_epoch"] == len(lines) - 1
    for name in ("valid_accuracy", "valid_loss", "train_loss", "batch_accuracy"):
        assert report[name] == pytest.approx(lines[-2][name], abs=1e-6)
    assert f"out of patience  epochs {len(lines)}  best_epoch {len(lines) - 1}" in done.err


def test_a_flag_without_use_is_refused_before_anything_is_written(tmp_path: Path, capsys: Capsys) -> None:
    done = call_here(capsys, "train", shared_dataset(), "--out", tmp_path / "run", "--momentum", 0.5, *QUICK)
    assert done.code == 2
    assert done.error.startswith("error: --momentum 0.5: --optimizer adamw has no use for it, only sgd, rmsprop")
    done = call_here(capsys, "train", shared_dataset(), "--out", tmp_path / "run", "--milestones", "1,x", *QUICK)
    assert done.code == 2
    assert "--milestones: expected whole numbers with commas between, got 1,x." in done.error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [("milestones = []", ()), ("milestones = [2, 4]", (2, 4)), ("milestones = '3, 5'", (3, 5)), ("", None)],
)
def test_milestones_come_from_a_config_as_well(given: str, expected: tuple[int, ...] | None, tmp_path: Path) -> None:
    """As a run writes them: one of a single epoch has none."""
    (tmp_path / "config.toml").write_text(f"schedule = 'multi-step'\n{given}\n")
    config = parse("train", TrainJobConfig, ["data", "--out", "run", "--config", str(tmp_path / "config.toml")])
    assert config is not None
    assert config.scheduling.milestones == expected
    assert config.choices().get("milestones") == expected
    assert config.choices()["schedule"] == "multi-step"


def test_a_held_run_is_temporary(tmp_path: Path, capsys: Capsys) -> None:
    from filelock import FileLock

    out = tmp_path / "run"
    out.mkdir()
    with FileLock(out / ".lock"):
        done = call_here(capsys, "train", shared_dataset(), "--out", out, *QUICK)
    assert done.code == 75
    assert "another charmill process is writing it" in done.error


def test_as_a_process_it_says_nothing_but_logs_and_without_a_baseline_imports_no_scikit_learn(tmp_path: Path) -> None:
    prelude = "import atexit; atexit.register(lambda: 'sklearn' in sys.modules and print('sklearn', file=sys.stderr))"
    flags: list[object] = ["--arch", "charcnn", "--json", *QUICK]
    done = call("train", shared_dataset(), "--out", tmp_path / "run", *flags, prelude=prelude)
    assert done.code == 0, done.err
    assert done.report["arch"] == "charcnn"
    assert not done.said
    assert re.search(r"^[\dT:-]+ layer  linear_2 +Linear +3 +195$", done.err, re.MULTILINE)


def test_without_scikit_learn_it_trains_but_has_no_baseline(tmp_path: Path) -> None:
    out, prelude = tmp_path / "run", hide("sklearn")
    done = call("train", shared_dataset(), "--out", out, "--epochs", 1, prelude=prelude)
    assert done.code == 69
    assert "the baseline needs scikit-learn: pip install scikit-learn, or train with --baseline none" in done.error
    assert not out.exists()
    done = call("train", shared_dataset(), "--out", out, "--epochs", 1, "--baseline", "none", prelude=prelude)
    assert (done.code, done.said) == (0, []), done.err


def test_options_reach_the_network_and_the_files(tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "run"
    tokens = ["--arch", "charcnn", "--norm", "batch", "--dropout", "0.25", *QUICK]
    assert call_here(capsys, "train", shared_dataset(), "--out", out, *tokens).code == 0
    architecture = json.loads((out / "model.json").read_text())["architecture"]
    assert (architecture["norm"], architecture["dropout"]) == ("batch", 0.25)
    config = tomllib.loads((out / "config.toml").read_text())
    assert (config["norm"], config["dropout"]) == ("batch", 0.25)


@pytest.mark.parametrize("arch", ["lstm", "ngram"])
def test_an_option_that_an_architecture_has_no_use_for_is_refused(arch: str, tmp_path: Path, capsys: Capsys) -> None:
    tokens = ["--arch", arch, "--norm", "none", *QUICK]
    done = call_here(capsys, "train", shared_dataset(), "--out", tmp_path / "run", *tokens)
    assert done.code == 2
    assert f"--norm none: --arch {arch} has none" in done.error
    assert not (tmp_path / "run").exists()


def test_help_lists_every_architecture_with_a_line_of_its_own(capsys: Capsys) -> None:
    done = call_here(capsys, "train", "--help")
    for name, config in CONFIGS.items():
        assert re.search(rf"^ +{name}: {re.escape(config().summary[:20])}", done.out, re.MULTILINE), name


def test_the_old_model_stays_until_the_new_one_is_there(tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "run"
    tokens: list[object] = [shared_dataset(), "--out", out, *QUICK]
    assert call_here(capsys, "train", *tokens).code == 0
    before = {name: (out / name).read_bytes() for name in ("model.json", "model.safetensors")}
    assert call_here(capsys, "train", *tokens, "--overwrite", "--arch", "charcnn", "--lr", "1e30").code == 65
    assert {name: (out / name).read_bytes() for name in before} == before


def test_a_training_that_wrote_no_checkpoint_needs_no_flag_to_start_again(tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "config.toml").write_text("")
    assert call_here(capsys, "train", shared_dataset(), "--out", out, *QUICK).code == 0


def test_labels_that_were_altered_are_said_to_be_so_before_they_are_counted(tmp_path: Path, capsys: Capsys) -> None:
    dataset = make_dataset(tmp_path, 60)
    path = next(iter(sorted(dataset.glob("train-*.labels.npy"))))
    labels = bytearray(path.read_bytes())
    labels[-2:] = b"\x09\x00"  # A class that the manifest does not have.
    path.write_bytes(labels)
    done = call_here(capsys, "train", dataset, "--out", tmp_path / "run", *QUICK)
    assert done.code == 65
    assert path.name in done.error
    assert "corrupt" in done.error
