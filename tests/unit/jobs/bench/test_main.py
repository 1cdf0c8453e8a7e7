"""The bench job: every part runs and says what it promises, whatever is missing. How fast anything is, is no test's business."""

import pickle
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs import train
from jobs.bench import __main__ as bench
from jobs.bench.memory import start_job
from tests.commands import Done, call, call_here, has_traceback, start
from tests.datasets import shrink_ngram

Capsys = pytest.CaptureFixture[str]
TINY = ["--rows", 300, "--train-rows", 300, "--runs", 2, "--data", "synthetic", "--threads", 1]
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
    assert (report["what"], report["rows"], report["runs"], report["growth"]) == (part, 300, 2, [])
    assert {"cpu", "cores", "threads", "commit", "versions"} <= report["machine"].keys()
    assert [data["kind"] for data in report["data"]] == ["synthetic"]
    assert {section["part"] for section in report["sections"]} == {part}
    assert len(report["sections"]) == num_sections
    assert _names(done)[0] == ours
    for section in report["sections"]:
        for result in section["results"]:
            assert result.keys() == RESULT
            assert len(result["seconds"]) == len(result["ratios"]) == 2
            assert result["lowest"] <= result["rows_per_second"] <= result["highest"]
            assert (result["accuracy"] is not None) == (part == "train")
            assert result["peak_mebibytes"] == 7
        assert section["results"][0]["ratios"] == [1, 1]
        assert not any(reason.startswith("failed") for reason in section["left_out"].values())


def test_the_table_is_plain_begins_with_the_data_and_fits_a_terminal(capsys: Capsys) -> None:
    done = _bench(capsys, "encode", *TINY, "--without", "pyarrow")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("data: made-up titles, 300 rows, ")
    assert max(map(len, lines)) <= 120
    assert "\x1b" not in done.out
    (ours,) = [line.split() for line in lines if line.startswith("  jobs.encode, CSV to published shards")]
    assert (ours[-3], ours[-1]) == ("1", "7")
    assert "  pyarrow.csv alone: left out by --without" in lines


def test_growth_alone(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    def counted(job: str, *rest: Any, **more: Any) -> Any:
        started.append(job)
        return start_job(job, *rest, **more)

    monkeypatch.setattr("jobs.bench.growth.start_job", counted)
    done = _bench(capsys, "growth", *QUICK, "--growth-rows", "100,200", "--json")
    assert (done.code, done.report["sections"]) == (0, [])
    lines = done.report["growth"]
    assert started == ["encode", "score"] * 3  # The first two may compile, and are not counted.
    assert [(line["job"], line["rows"]) for line in lines] == [
        ("encode", 100),
        ("encode", 200),
        ("score", 100),
        ("score", 200),
    ]
    for line in lines:
        assert line["seconds_per_million_rows"] * line["rows_per_second"] == pytest.approx(1e6)
        assert line["peak_mebibytes"] is None or line["peak_mebibytes"] > 50  # A process with Polars and Numba in it.
    shown = [line.split()[:2] for line in bench.render(done.report).splitlines() if re.match("  jobs.[a-z]+  ", line)]
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
    assert sum("not installed: torch" in reason or "no jobs.export" in reason for reason in left_out.values()) >= 3
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
        (["encode", "--data", "agnews"], 69, "python -m jobs.fetch agnews"),
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
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))"
    )
    done = call("bench", "encode", *QUICK, prelude=prelude)
    assert done.code == 75
    assert "free some space" in done.error
    assert not list(tmp_path.iterdir())


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    prelude = f"import tempfile; tempfile.tempdir = {str(tmp_path)!r}"
    tokens = ["--rows", 300, "--runs", 100_000, "--no-memory", "--data", "synthetic"]
    with start("bench", "encode", *tokens, prelude=prelude) as process:
        try:
            assert process.stderr is not None
            assert any(b"round 3 of" in line for line in process.stderr)  # Everything is imported by then.
            assert list(tmp_path.glob("charmill-bench-*"))
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert not has_traceback(err)
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


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'numba', 'polars', 'pyarrow', 'sklearn', 'numpy'} & sys.modules.keys()"
    prelude = f"import atexit; atexit.register(lambda: print('heavy:', {heavy}))"
    done = call("bench", "--help", prelude=prelude)
    assert (done.code, done.err) == (0, "")
    assert "--growth-rows" in done.out
    assert "heavy: set()" in done.out
