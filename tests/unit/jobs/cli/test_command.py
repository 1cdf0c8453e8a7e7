"""How a job is a command: help, exit codes and one-line errors."""

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from jobs.cli.command import run_command
from jobs.demo import DemoConfig
from pipeline.errors import InputError
from tests.commands import HIDE_TORCH, ROOT, call_each, call_here, environment
from tests.datasets import make_csv, shared_dataset, shared_run

Capsys = pytest.CaptureFixture[str]
JOBS = ["encode", "train", "score", "drops", "export", "report"]


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return make_csv(tmp_path / "in.csv", 40)


@pytest.mark.parametrize("flag", ["--help", "--help-all"])
@pytest.mark.parametrize("job", [*JOBS, "fetch", "demo", "bench"])
def test_help_imports_nothing_heavy(job: str, flag: str) -> None:
    code = (
        f"import runpy, sys\nsys.argv = ['{job}', '{flag}']\nrunpy.run_module('jobs.{job}', run_name='__main__', alter_sys=True)\n"
        "heavy = {'torch', 'numba', 'polars', 'pyarrow', 'sklearn', 'numpy', 'onnx', 'onnxruntime', 'rich'} & sys.modules.keys()\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    out = {"drops": "--outbox", "export": "--onnx", "bench": "--rows"}.get(job, "--out")
    for shown in ("--threads", "--overwrite", "--json", "--config", out):
        assert f" {shown}" in done.stdout


def test_help_that_nobody_reads_to_its_end_is_no_error() -> None:
    command = f"set -o pipefail; {sys.executable} -m jobs.train --help-all | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=ROOT, env=environment(), check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_error_is_one_line_whatever_a_file_is_called(tmp_path: Path, capsys: Capsys) -> None:
    done = call_here(capsys, "encode", tmp_path / "two\nlines\x1b.csv", "--out", tmp_path / "out")
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert "two\ufffdlines\ufffd.csv: there is no such file" in done.error


def test_closed_standard_input(tmp_path: Path, csv: Path) -> None:
    flags = f"--text title --out {tmp_path / 'out'}"
    for source, code in (("-", 2), (csv, 0)):
        command = f"{sys.executable} -m jobs.encode {source} {flags} <&-"
        done = subprocess.run(
            command, shell=True, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False
        )
        assert done.returncode == code, done.stderr
        assert code == 0 or "standard input is closed" in done.stderr


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["--profle", "seed"], r"--profle.*--profile"),
        (["--max-length", "x"], "max-length"),
        (["--max-length", "-3"], "--max-length -3: expected 0 or more"),
        (["--max-length", "70000"], "--max-length 70000: expected 1 to 65536"),
        (["--profile", "latin"], "latin"),
        (["--threads", "-1"], "--threads -1"),
        (["--delimiter", "::"], "--delimiter '::'"),
        (["--encoding", "klingon"], "--encoding klingon"),
        (["--valid-fraction", "1"], "--valid-fraction 1: expected 0 or more and below 1"),
        (["--max-quarantined", "2"], "--max-quarantined 2"),
        (["--stratify"], "--stratify: it goes with --split random"),
        (["--config", "nowhere.toml"], r"nowhere\.toml: cannot read: there is no such file"),
        (["--shard-rows", "0"], "--shard-rows 0"),
    ],
)
def test_flags_that_make_no_sense_are_usage_errors_in_one_line(
    tokens: list[str], message: str, csv: Path, tmp_path: Path, capsys: Capsys
) -> None:
    done = call_here(capsys, "encode", csv, "--out", tmp_path / "out", "--text", "title", *tokens)
    assert (done.code, done.out) == (2, "")
    assert len(done.said) == 1
    assert re.search(message, done.error), done.error
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize("job", JOBS)
def test_what_is_required_is_named(job: str, capsys: Capsys) -> None:
    done = call_here(capsys, job)
    assert done.code == 2
    assert f"python -m jobs.{job} --help" in done.error


@pytest.mark.parametrize("make", ["missing", "folder", "glob"])
def test_inputs_that_are_not_there_are_usage_errors(make: str, tmp_path: Path, capsys: Capsys) -> None:
    path = {"missing": tmp_path / "no.csv", "folder": tmp_path, "glob": tmp_path / "*.csv"}[make]
    for job, more in (("encode", []), ("score", ["--run", shared_run()])):
        done = call_here(capsys, job, path, "--out", tmp_path / "out", *more)
        assert done.code == 2
        assert str(path) in done.error
        assert not list(tmp_path.iterdir())


def test_a_file_without_a_byte_and_a_column_that_is_not_there_are_bad_input(
    csv: Path, tmp_path: Path, capsys: Capsys
) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()
    for job, more in (("encode", []), ("score", ["--run", shared_run()])):
        out = tmp_path / "out"
        done = call_here(capsys, job, empty, "--out", out, "--text", "title", *more)
        assert done.code == 65
        assert "empty.csv: there is no record in it" in done.error
        done = call_here(capsys, job, csv, "--out", out, "--text", "headline", *more)
        assert done.code == 65
        assert re.search(r"no column 'headline' for --text; the columns are 'label', 'title'", done.error)
    assert sorted(path.name for path in tmp_path.rglob("*") if path != out) == ["empty.csv", "in.csv"]


def test_errors_show_a_traceback_with_debug_only(tmp_path: Path, capsys: Capsys) -> None:
    tokens: list[object] = [tmp_path / "no.csv", "--out", tmp_path / "out"]
    assert "Traceback" not in call_here(capsys, "encode", *tokens).err
    done = call_here(capsys, "encode", *tokens, "--debug")
    assert "Traceback" in done.err
    assert done.code == 2
    assert "no.csv" in done.error


@pytest.fixture
def _process() -> Iterator[None]:
    """Undoes what a command does to its process."""
    handler = signal.getsignal(signal.SIGTERM)
    with mock.patch.dict(os.environ):
        yield
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.usefixtures("_process")
@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("x.csv: it is empty"), 65, "x.csv: it is empty"),
        (KeyboardInterrupt(), 130, "interrupted; nothing half-finished was published"),
        (MemoryError(), 75, "out of memory; give it more, or fewer --threads"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out"), 75, "out: cannot go on: No space left"),
        (
            ZeroDivisionError("two\nlines"),
            70,
            "internal error: ZeroDivisionError: two lines; --debug shows where; please report it",
        ),
    ],
)
def test_whatever_is_raised_becomes_a_line_and_an_exit_code(
    error: BaseException, code: int, said: str, capsys: Capsys
) -> None:
    def fail(_: DemoConfig) -> dict[str, Any]:
        raise error

    with pytest.raises(SystemExit) as stop:
        run_command("demo", DemoConfig, fail, str, [])
    shown = capsys.readouterr()
    assert (stop.value.code, shown.out) == (code, "")
    assert shown.err.startswith(f"error: {said}")
    assert len(shown.err.splitlines()) == 1


@pytest.mark.usefixtures("_process")
def test_a_report_comes_out_as_text_as_json_and_of_a_failure_too(capsys: Capsys) -> None:
    def run_or_fail(config: DemoConfig) -> dict[str, Any]:
        if config.common.overwrite:
            error = InputError("half of it failed")
            error.report = {"rows": 1}
            raise error
        return {"rows": 2}

    run_command("demo", DemoConfig, run_or_fail, lambda report: f"{report['rows']} rows", [])
    assert capsys.readouterr() == ("2 rows\n", "")
    run_command("demo", DemoConfig, run_or_fail, str, ["--json"])
    assert capsys.readouterr() == ('{"rows": 2}\n', "")
    with pytest.raises(SystemExit) as stop:
        run_command("demo", DemoConfig, run_or_fail, str, ["--json", "--overwrite"])
    assert stop.value.code == 65
    assert capsys.readouterr() == ('{"rows": 1}\n', "error: half of it failed\n")


def test_without_torch_all_but_training_works(csv: Path, tmp_path: Path) -> None:
    score = ["score", csv, "--run", shared_run(), "--text", "title", "--json"]
    train, encode, split, auto, folded, torch, predict = call_each(
        ["train", shared_dataset(), "--out", tmp_path / "run"],
        ["encode", csv, "--out", tmp_path / "out", "--text", "title", "--valid-fraction", "0", "--json"],
        ["encode", csv, "--out", tmp_path / "random", "--text", "title", "--split", "random"],
        *([*score, "--out", tmp_path / engine, "--engine", engine] for engine in ("auto", "folded", "torch")),
        ["predict", "otter and newt", "--run", shared_run(), "--json"],
        prelude=HIDE_TORCH,
    )
    assert train.code == 69
    assert re.search(r"training needs torch, einops, jinja2, matplotlib, scipy: pip install .*\[train\]", train.error)
    assert not (tmp_path / "run").exists()
    assert split.code == 69
    assert "--split random needs scikit-learn: pip install scikit-learn, or" in split.error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["auto", "folded", "in.csv", "out"]
    for done in (encode, auto, folded, predict):
        assert (done.code, done.said) == (0, []), done.err
    assert auto.report["engine"] == folded.report["engine"] == "folded on cpu"
    assert torch.code == 69
    assert "--engine folded" in torch.error


@pytest.mark.usefixtures("_process")
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("c.csv: it is empty"), "c.csv: it is empty; published before: a; and b"),
        (KeyboardInterrupt(), "interrupted; published before: a; and b"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out"), "out: .*; published before: a; and b"),
    ],
)
def test_notes_of_an_error_are_part_of_its_line(error: BaseException, said: str, capsys: Capsys) -> None:
    def fail(_: DemoConfig) -> dict[str, Any]:
        error.add_note("published before: a")
        error.add_note("and b")
        raise error

    with pytest.raises(SystemExit):
        run_command("demo", DemoConfig, fail, str, [])
    assert re.fullmatch(f"error: {said}\n", capsys.readouterr().err)
