"""The bench job: every part runs and says what it promises, whatever is missing. How fast anything is, is no test's business."""

import csv
import errno
import os
import pickle
import re
import signal
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from jobs import bench, bench_data
from jobs.bench_data import Data, choose_kinds, make_data
from jobs.bench_encode import encode_as_article
from jobs.bench_ground import ready
from jobs.bench_memory import peak_of
from jobs.bench_models import count_flops
from jobs.bench_timing import Contestant, Role, Section, Work, measure
from model.architecture import CharCnnConfig
from pipeline.alphabet import get_profile
from pipeline.errors import InputError, UsageError
from tests.commands import Done, call, call_here, has_traceback, start
from tests.datasets import shrink_ngram
from tests.naive import encode_seed

Capsys = pytest.CaptureFixture[str]
TINY = ["--rows", 300, "--train-rows", 300, "--runs", 2, "--data", "synthetic", "--threads", 1]
QUICK = [*TINY, "--without", "torch.compile, onnxruntime"]
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
    monkeypatch.setattr("jobs.bench_memory.peak_of", lambda contestant, _folder: 7.0 if pickle.dumps(contestant) else 0)


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


def test_growth_alone(capsys: Capsys) -> None:
    done = _bench(capsys, "growth", *QUICK, "--growth-rows", "100,200", "--json")
    assert (done.code, done.report["sections"]) == (0, [])
    lines = done.report["growth"]
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
    with start("bench", "train", *TINY, prelude=prelude) as process:
        while not list(tmp_path.glob("charmill-bench-*/synthetic/learned")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert not has_traceback(err)
    assert not list(tmp_path.iterdir())


# Data ----------------------------------------------------------------------------------------------------------------


def _rows(data: Data) -> list[list[str]]:
    with data.path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return rows[1:] if data.has_header else rows


@pytest.mark.parametrize("num_rows", [1, 2, 7, 8, 64])
def test_titles_are_repeated_to_size_or_taken_evenly(
    num_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_data, "MADE_UP_ROWS", 7)
    monkeypatch.setattr(bench_data, "_CHUNK_BYTES", 1000)  # Two or three repeats.
    all_rows = _rows(make_data("synthetic", tmp_path / "all.csv", 7))
    data = make_data("synthetic", tmp_path / "some.csv", num_rows)
    assert (data.num_rows, data.num_once) == (num_rows, min(num_rows, 7))
    assert data.num_bytes == data.path.stat().st_size
    wanted = [all_rows[row * 7 // min(num_rows, 7)] for row in range(min(num_rows, 7))]
    assert _rows(data) == [wanted[row % len(wanted)] for row in range(num_rows)]


def test_real_titles_stay_what_they_are(agnews: Path, tmp_path: Path) -> None:
    assert choose_kinds("auto", both=True) == ["agnews", "synthetic"]
    assert choose_kinds("auto", both=False) == choose_kinds("agnews", both=True) == ["agnews"]
    with agnews.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    data = make_data("agnews", tmp_path / "titles.csv", len(rows) + 5)
    assert _rows(data) == rows + rows[:5]


@pytest.mark.parametrize("content", [b"", b"1,two\n", b"1,\xff,3\n"])
def test_a_damaged_file_of_real_titles_is_refused(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.csv").write_bytes(content)
    monkeypatch.setenv("AGNEWS_DIR", str(tmp_path))
    with pytest.raises(InputError, match="--data synthetic"):
        make_data("agnews", tmp_path / "titles.csv", 100)


def test_without_real_titles_made_up_ones_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGNEWS_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert choose_kinds("auto", both=True) == ["synthetic"]


def test_the_articles_way_gives_the_codes_of_the_oracle(tmp_path: Path) -> None:
    data = make_data("synthetic", tmp_path / "titles.csv", 50)
    one_hot_NLC = encode_as_article(data)
    assert one_hot_NLC.shape == (50, 64, 28)
    codes_NL = np.where(one_hot_NLC.any(axis=2), one_hot_NLC.argmax(axis=2), 27)
    assert codes_NL.tolist() == [encode_seed(title) for _, title in _rows(data)]


def test_the_operations_of_the_articles_network() -> None:
    by_hand = 64 * (28 * 3 * 32 + 32 * 3 * 28) + 64 * 28 * 64 + 64 * 4
    assert count_flops(CharCnnConfig(), get_profile("seed", 0), 4) == 2 * by_hand


# Timing ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds since ever, for contestants to put forward."""
    now = [0.0]
    monkeypatch.setattr("jobs.bench_timing.time.perf_counter", lambda: now[0])
    return now


def _taking(clock: list[float], seconds: list[float]) -> Work:
    left = iter(seconds)

    def work() -> None:
        clock[0] += next(left)

    return work


def _failing(error: Exception) -> Work:
    def work() -> None:
        raise error

    return work


def _contestant(name: str, role: Role, work: Work, num_rows: int = 100) -> Contestant:
    return Contestant(name=name, role=role, num_rows=num_rows, prepare=lambda: work)


def _measure(*contestants: Contestant, num_runs: int = 3) -> dict[str, dict[str, object]]:
    section = Section(part="encode", title="a section", contestants=list(contestants), left_out={"absent": "why"})
    report = measure(section, num_runs, tell=lambda _: None, peak=lambda _: 7.0)
    return {result["name"]: result for result in report["results"]} | {"left out": report["left_out"]}


def test_a_ratio_is_the_median_of_those_within_each_round(clock: list[float]) -> None:
    results = _measure(
        _contestant("mine", "ours", _taking(clock, [50, 1, 4, 2])),
        _contestant("it", "peer", _taking(clock, [9, 4, 4, 6]), num_rows=200),
    )
    mine, it = results["mine"], results["it"]
    assert (mine["first_call_seconds"], it["first_call_seconds"]) == (50, 9)
    assert mine["seconds"] == [1, 4, 2]
    assert (mine["rows_per_second"], mine["lowest"], mine["highest"], mine["spread"]) == (50, 25, 100, 1.5)
    assert it["ratios"] == [2, 0.5, 1.5]  # The ratio of the medians would be 1.
    assert it["ours_against_it"] == 1.5
    assert it["peak_mebibytes"] == 7


def test_only_a_peer_may_fail_and_only_for_reasons_of_its_own(clock: list[float]) -> None:
    ours = partial(_contestant, "mine", "ours")
    results = _measure(
        ours(_taking(clock, [1, 1, 1, 1])), _contestant("it", "peer", _failing(ValueError("two\nlines")))
    )
    assert results["left out"] == {"absent": "why", "it": "failed: ValueError: two lines"}
    assert "it" not in results
    with pytest.raises(ValueError, match="mine"):
        _measure(ours(_failing(ValueError("mine"))))
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OSError, match="space"):
        _measure(ours(_taking(clock, [1])), _contestant("it", "peer", _failing(full)))
    with pytest.raises(UsageError):
        _measure(ours(_taking(clock, [1])), _contestant("it", "peer", _failing(UsageError("ours, beneath"))))


def test_without_ours_there_is_no_ratio(clock: list[float]) -> None:
    results = _measure(_contestant("it", "ceiling", _taking(clock, [1, 1, 1, 1])))
    assert results["it"]["ours_against_it"] is None


def test_peak_memory_is_that_of_the_contestants_own_process(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("the system does not say how much memory a process had")
    ballast = b"x" * (300 << 20)  # Of this process, which no child may be charged with.
    peaks = []
    for mebibytes in (1, 200):
        prepare = ready(b"x".__mul__, mebibytes << 20)
        peaks.append(peak_of(Contestant(name="it", role="peer", num_rows=1, prepare=prepare), tmp_path) or 0)
    assert len(ballast) == 300 << 20
    assert 5 < peaks[0] < 150
    assert 190 < peaks[1] - peaks[0] < 210
    failing = Contestant(name="it", role="peer", num_rows=1, prepare=ready(int, "no number"))
    assert peak_of(failing, tmp_path) is None
