"""The front door: what charmill says of itself, and that it runs a job as ``python -m`` does, whatever lies in the current folder."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobs.__main__ import JOBS
from tests.commands import ROOT, Done, call_charmill, environment
from tests.datasets import make_csv, shared_run

USERS = "raise SystemExit('a file of the user has run')\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The folder of the console script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder."""
    folder = tmp_path / "mine"
    folder.mkdir()
    return folder


def _python(*words: str, cwd: Path = ROOT) -> Done:
    done = subprocess.run(
        [sys.executable, "-W", "error", *words], capture_output=True, text=True, cwd=cwd, env=environment(), check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def _modules_with_commands() -> set[str]:
    paths = [path for path in (ROOT / "jobs").rglob("*.py") if "\ndef main() -> None:" in path.read_text()]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths} - {"jobs.__main__"}


def test_every_job_is_at_the_door() -> None:
    one_word = {module for name, (module, _, _) in JOBS.items() if " " not in name}
    assert one_word == _modules_with_commands()
    assert len({purpose for _, _, purpose in JOBS.values()}) == len(JOBS)


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_alone_it_lists_the_jobs_a_line_each(words: Sequence[str], script: Path, folder: Path) -> None:
    done = call_charmill(*words, folder=script, cwd=folder)
    assert (done.code, done.err) == (0, "")
    lines = re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)  +(.+)$", done.out, re.MULTILINE)
    assert lines == [(name, purpose) for name, (_, _, purpose) in JOBS.items()]
    assert all(len(f"{name} {purpose}") < 80 for name, purpose in lines)
    assert _python("-m", "jobs", *words) == done


def test_the_listing_imports_next_to_nothing() -> None:
    code = "import runpy, sys\nsys.argv = ['charmill']\nrunpy.run_module('jobs', run_name='__main__')\nprint(sorted(sys.modules))"
    names = _python("-c", code).out.splitlines()[-1]
    assert "'jobs.cli.process'" in names
    for heavy in ("cyclopts", "structlog", "rich", "numpy", "polars", "numba", "pipeline", "model"):
        assert f"'{heavy}'" not in names


def test_it_names_its_version(script: Path, folder: Path) -> None:
    done = call_charmill("--version", folder=script, cwd=folder)
    assert done.code == 0
    assert re.fullmatch(r"charmill \d+\.\d+\.\d+\n", done.out)


def test_help_may_be_asked_for_as_a_job(script: Path, folder: Path) -> None:
    for words, same in ((["help"], ["--help"]), (["help", "drops", "status"], ["drops", "status", "--help"])):
        asked, shown = (call_charmill(*each, folder=script, cwd=folder) for each in (words, same))
        assert (asked.code, asked.out) == (0, shown.out)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["encod"], "there is no job 'encod'; did you mean 'encode'? See charmill --help"),
        (["warmup"], "did you mean 'warm-up'?"),
        (["xyzzy"], "there is no job 'xyzzy'. See charmill --help"),
        (["drops status"], "there is no job 'drops status'"),
        (["--overwrite"], "flags go behind the job, as in charmill encode --overwrite"),
        (["--completion"], "expected one of bash, zsh, fish; "),
        (["--completion", "tcsh"], "expected one of bash, zsh, fish, got tcsh; "),
    ],
)
def test_what_it_does_not_know_is_a_usage_error(words: list[str], message: str, script: Path, folder: Path) -> None:
    done = call_charmill(*words, folder=script, cwd=folder)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert message in done.error


def test_a_job_is_called_as_the_user_called_it(script: Path, folder: Path) -> None:
    for words, called in (
        (["encode"], "charmill encode"),
        (["drops", "status"], "charmill drops status"),
        (["warm-up"], "charmill warm-up"),
    ):
        assert f"Usage: {called} " in call_charmill(*words, "--help", folder=script, cwd=folder).out
        done = call_charmill(*words, "--nonsense", folder=script, cwd=folder)
        assert done.code == 2
        assert f"See {called} --help" in done.error
    assert "Usage: python -m jobs.warm_up " in _python("-m", "jobs.warm_up", "--help").out


def test_whatever_lies_beside_it_a_job_runs(script: Path, folder: Path) -> None:
    for name in ("pipeline.py", "model.py", "jobs.py", "model/__init__.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(USERS)
    make_csv(folder / "in.csv", 40)
    done = call_charmill("encode", "in.csv", "--out", "out", "--text", "title", folder=script, cwd=folder)
    assert done.code == 0, done.err
    words = ["train", "out", "--out", "run", "--epochs", "1", "--baseline", "none", "--num-workers", "1"]
    done = call_charmill(*words, folder=script, cwd=folder)
    assert done.code == 0, done.err
    done = call_charmill(
        "score", "in.csv", "--run", "run", "--out", "s.parquet", "--text", "title", folder=script, cwd=folder
    )
    assert done.code == 0, done.err
    assert (folder / "s.parquet").exists()


@pytest.mark.parametrize("name", ["pipeline.py", "model.py", "pipeline/__init__.py"])
def test_python_m_beside_a_file_of_that_name_says_what_to_do(name: str, folder: Path) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(USERS)
    for job, command in (
        ("jobs.encode", "charmill encode"),
        ("jobs.drops", "charmill drops"),
        ("jobs.warm_up", "charmill warm-up"),
    ):
        done = _python("-m", job, "--help", cwd=folder)
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
        assert str(folder / name.split("/")[0]) in done.error
        assert f"use {command}, or run it in another folder" in done.error
    done = _python("-m", "jobs", "encode", "--help", cwd=folder)
    assert (done.code, done.out) == (2, "")
    assert "use charmill JOB, or" in done.error
    done = _python("-c", "import jobs.encode", cwd=folder)
    assert re.search(r"ImportError: .*mine/(pipeline|model).*rename it", done.err)
    assert done.code == 1


def test_a_folder_of_that_name_without_code_harms_nothing(folder: Path) -> None:
    for name in ("model", "pipeline"):
        (folder / name).mkdir()
        (folder / name / "notes.txt").touch()
    assert _python("-m", "jobs.encode", "--help", cwd=folder).code == 0


def test_nobody_needs_to_read_it(script: Path, folder: Path) -> None:
    call_charmill(folder=script, cwd=folder)
    command = f"{script / 'charmill'} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=folder, env=environment(), check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_job_behind_the_door_is_the_job(script: Path, folder: Path) -> None:
    make_csv(folder / "in.csv", 40)
    words = ["score", "in.csv", "--run", str(shared_run()), "--text", "title", "--out"]
    assert call_charmill(*words, "a.parquet", folder=script, cwd=folder).code == 0
    assert _python("-m", f"jobs.{words[0]}", *words[1:], "b.parquet", cwd=folder).code == 0
    assert (folder / "a.parquet").read_bytes() == (folder / "b.parquet").read_bytes()
