"""The bench job: every part runs and says what it promises, whatever is missing. How fast anything is, is no test's business."""

import pickle
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobs import encode, train
from jobs.bench.command import render
from jobs.bench.growth import Ended
from tests.commands import Done, call, call_here
from tests.datasets import shrink_ngram

Capsys = pytest.CaptureFixture[str]
TINY = ["--rows", 100, "--train-rows", 100, "--runs", 1, "--data", "synthetic", "--threads", 1]
QUICK = [*TINY, "--without", "torch.compile"]
RESULT = {
    *("name", "role", "num_rows", "rows_per_second", "lowest", "highest", "spread", "ours_against_it", "ratios"),
    *("seconds", "first_call_seconds", "accuracy", "peak_mebibytes"),
}


def _bench(capsys: Capsys, *tokens: object) -> Done:
    return call_here(capsys, "bench", *tokens)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small network, and no processes for the memory; what they would be given must survive the way there all the same."""
    shrink_ngram(monkeypatch)
    monkeypatch.setattr("jobs.bench.memory.peak_of", lambda contestant, _folder: 7.0 if pickle.dumps(contestant) else 0)


def _names(done: Done) -> list[str]:
    return [result["name"] for section in done.report["sections"] for result in section["results"]]


@pytest.mark.parametrize(
    ("part", "num_sections", "ours"),
    [
        ("encode", 1, "jobs.encode, CSV to published shards"),
        ("load", 3, "the loader alone, an epoch"),
        ("train", 1, "jobs.train, recipe default, all its epochs"),
        ("score", 2, "jobs.score, CSV to Parquet"),
    ],
)
def test_a_part_times_everyone_who_is_there_and_names_the_others(
    part: str, num_sections: int, ours: str, capsys: Capsys
) -> None:
    done = _bench(capsys, part, *QUICK, "--json")
    assert (done.code, done.said) == (0, [])
    report = done.report
    assert (report["what"], report["rows"], report["runs"], report["growth"]) == (part, 100, 1, [])
    assert {"cpu", "cores", "threads", "commit", "versions"} <= report["machine"].keys()
    assert [data["kind"] for data in report["data"]] == ["synthetic"]
    assert {section["part"] for section in report["sections"]} == {part}
    assert len(report["sections"]) == num_sections
    assert _names(done)[0] == ours
    for section in report["sections"]:
        for result in section["results"]:
            assert result.keys() == RESULT
            assert len(result["seconds"]) == len(result["ratios"]) == 1
            assert result["lowest"] <= result["rows_per_second"] <= result["highest"]
            assert (result["accuracy"] is not None) == (part == "train")
            assert result["peak_mebibytes"] == 7
        assert section["results"][0]["ratios"] == [1]
        assert not any(reason.startswith("failed") for reason in section["left_out"].values())


def test_the_table_is_plain_begins_with_the_data_and_fits_a_terminal(capsys: Capsys) -> None:
    done = _bench(capsys, "encode", *TINY, "--without", "pyarrow")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("data: made-up titles, 100 rows, ")
    assert max(map(len, lines)) <= 120
    assert "\x1b" not in done.out
    (ours,) = [line.split() for line in lines if line.startswith("  jobs.encode, CSV to published shards")]
    assert (ours[-3], ours[-1]) == ("1", "7")
    assert "  pyarrow.csv alone: left out by --without" in lines


def test_growth_runs_each_job_on_each_size(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    def run_here(job: str, tokens: Sequence[str], _folder: Path) -> Ended:
        started.append(job)
        done = call_here(capsys, job, *tokens)
        return Ended(code=done.code, out=done.out, err=done.err, seconds=2.0, peak_mebibytes=7.0)

    monkeypatch.setattr("jobs.bench.growth.run_process", run_here)
    done = _bench(capsys, "growth", *QUICK, "--growth-rows", "100,200", "--json")
    assert (done.code, done.report["sections"]) == (0, [])
    lines = done.report["growth"]
    assert started == ["encode", "score"] * 3  # The first two may compile, and are not counted.
    assert [(line["job"], line["rows"], line["rows_per_second"]) for line in lines] == [
        ("encode", 100, 50),
        ("encode", 200, 100),
        ("score", 100, 50),
        ("score", 200, 100),
    ]
    assert {(line["seconds_per_million_rows"] * line["rows"], line["peak_mebibytes"]) for line in lines} == {(2e6, 7)}
    shown = [line.split()[:2] for line in render(done.report).splitlines() if re.match("  jobs.[a-z]+  ", line)]
    assert shown == [["jobs.encode", "100"], ["jobs.encode", "200"], ["jobs.score", "100"], ["jobs.score", "200"]]


def test_what_is_not_installed_is_named_and_the_rest_is_measured(
    capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("torch", "sklearn", "fasttext", "pyarrow.csv"):
        monkeypatch.setitem(sys.modules, module, None)
    done = _bench(capsys, "score", *TINY, "--json")
    assert done.code == 0, done.err
    assert _names(done).count("jobs.score, CSV to Parquet") == 2
    left_out = {name: reason for section in done.report["sections"] for name, reason in section["left_out"].items()}
    assert left_out["fastText, words 1-2, predict, one thread"] == "not installed: fasttext"
    assert sum("not installed: torch" in reason for reason in left_out.values()) == 3
    assert any(name.startswith("ONNX Runtime") for name in _names(done))
    for part in ("load", "train"):
        done = _bench(capsys, part, *TINY, "--no-memory")
        assert done.code == 0, done.err
        assert "not installed: torch" in done.out


def test_a_peer_that_fails_costs_its_row(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.csv", None)
    done = _bench(capsys, "encode", *QUICK)
    assert done.code == 0, done.err
    assert "  pyarrow.csv alone: failed: ModuleNotFoundError: " in done.out


@pytest.mark.parametrize(
    ("tokens", "code", "said"),
    [
        (["--rows", 10], 2, "--rows and --train-rows"),
        (["--runs", 0], 2, "--runs 0"),
        (["--growth-rows", "1000,many"], 2, "--growth-rows '1000,many'"),
        (["--without", "pandas"], 2, "--without 'pandas': expected some of pyarrow, "),
        (["encode", "--data", "agnews"], 69, "charmill fetch agnews"),
    ],
)
def test_trouble_is_one_line(
    tokens: list[object],
    code: int,
    said: str,
    capsys: Capsys,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AGNEWS_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    done = _bench(capsys, *tokens)
    assert (done.code, done.out) == (code, "")
    assert said in done.error


def test_a_full_disk_can_be_tried_again_and_nothing_is_left(tmp_path: Path) -> None:
    prelude = (
        "import resource, signal, tempfile\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 3_000))"
    )
    done = call("bench", "encode", *QUICK, prelude=prelude)
    assert done.code == 75
    assert "free some space" in done.error
    assert not list(tmp_path.iterdir())


def test_an_interrupt_leaves_nothing(capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def interrupt(_: encode.EncodeConfig) -> None:
        assert [path.name.rpartition("-")[0] for path in tmp_path.iterdir()] == ["charmill-bench"]
        raise KeyboardInterrupt

    monkeypatch.setattr(encode, "run", interrupt)
    assert _bench(capsys, "encode", *QUICK).code == 130
    assert not list(tmp_path.iterdir())


def test_the_flags_that_make_training_faster_take_part(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[train.TrainJobConfig] = []

    def run(config: train.TrainJobConfig) -> dict[str, float]:
        given.append(config)
        return {"valid_accuracy": 0.5}

    monkeypatch.setattr(train, "run", run)
    done = _bench(capsys, "train", *TINY, "--no-memory", "--without", "scikit-learn,fasttext", "--json")
    assert done.code == 0, done.err
    assert {"jobs.train, one epoch, --compile", "jobs.train, one epoch, --precision bfloat16"} < set(_names(done))
    assert {(config.compile, config.precision) for config in given} == {
        (False, "float32"),
        (True, "float32"),
        (False, "bfloat16"),
    }
