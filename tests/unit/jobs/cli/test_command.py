"""How a job is a command: flags, config files, environment, help, exit codes and one-line errors."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT, call, call_here, environment
from tests.datasets import make_csv, shared_dataset, shared_run

Capsys = pytest.CaptureFixture[str]
JOBS = ["encode", "train", "score", "drops", "export", "report"]


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return make_csv(tmp_path / "in.csv", 40)


@pytest.mark.parametrize("job", JOBS)
def test_help_imports_nothing_heavy_and_explains_every_flag(job: str) -> None:
    code = (
        f"import runpy, sys\nsys.argv = ['{job}', '--help']\nrunpy.run_module('jobs.{job}', run_name='__main__', alter_sys=True)\n"
        "heavy = {'torch', 'numba', 'polars', 'pyarrow', 'sklearn', 'numpy', 'onnx', 'onnxruntime'} & sys.modules.keys()\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment({"COLUMNS": "300"}),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    flags = re.findall(r"^│ [* ] +(?:[A-Z]+ )?(--[a-z-]+)(.*)│$", done.stdout, re.MULTILINE)
    out = {"drops": "--outbox", "export": "--onnx"}.get(job, "--out")
    assert {"--threads", "--overwrite", "--debug", "--json", "--config", out, "--log"} <= {name for name, _ in flags}
    for name, rest in flags:
        said = re.sub(r"\[[^\]]*\]", "", rest)
        words = [word for word in said.split() if not re.fullmatch(r"[A-Z]+|--[a-z-]+", word)]
        assert len(words) > 2, f"{name} has no help: {rest}"


def _settings(capsys: Capsys, csv: Path, out: Path, *tokens: object) -> dict[str, object]:
    done = call_here(capsys, "encode", csv, "--out", out, "--text", "title", "--json", "--threads", 1, *tokens)
    assert done.code == 0, done.err
    profile = done.report["profile"]
    assert isinstance(profile, dict)
    return profile


def test_defaults_give_way_to_the_file_the_file_to_the_environment_and_that_to_flags(
    csv: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "charmill.toml"
    config.write_text("max-length = 20\n[encode]\nprofile = 'ascii'\n[train]\nepochs = 3\n")
    assert _settings(capsys, csv, tmp_path / "a")["max_length"] == 128
    got = _settings(capsys, csv, tmp_path / "b", "--config", config)
    assert (got["name"], got["max_length"]) == ("ascii", 20)
    monkeypatch.setenv("CHARMILL_MAX_LENGTH", "30")
    got = _settings(capsys, csv, tmp_path / "c", f"--config={config}")
    assert (got["name"], got["max_length"]) == ("ascii", 30)
    assert _settings(capsys, csv, tmp_path / "d", "--config", config, "--max-length", 40)["max_length"] == 40
    monkeypatch.setenv("CHARMILL_CONFIG", str(config))
    assert _settings(capsys, csv, tmp_path / "e")["name"] == "ascii"


@pytest.mark.parametrize("how", ["flag", "variable", "file"])
def test_a_whole_number_is_not_rounded(
    how: str, csv: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    more: list[object] = []
    if how == "variable":
        monkeypatch.setenv("CHARMILL_SHARD_ROWS", "1.5")
    elif how == "file":
        (tmp_path / "charmill.toml").write_text("shard-rows = 1.5\n")
        more = ["--config", tmp_path / "charmill.toml"]
    else:
        more = ["--shard-rows", "1.5"]
    done = call_here(capsys, "encode", csv, "--out", tmp_path / "out", "--text", "title", *more)
    assert done.code == 2
    assert "expected a whole number, got 1.5" in done.error


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


def test_a_config_file_may_be_written_with_underscores_and_switches(csv: Path, tmp_path: Path, capsys: Capsys) -> None:
    config = tmp_path / "charmill.toml"
    config.write_text(
        f"out = '{tmp_path / 'out'}'\ntext = 'title'\nmax_length = 20\njson = true\nthreads = 1\noverwrite = true\n"
    )
    for _ in range(2):
        done = call_here(capsys, "encode", csv, "--config", config)
        assert done.code == 0, done.err
        assert done.report["profile"]["max_length"] == 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("max-lenght = 3", r"max-lenght.*max-length"),
        ("[encode]\nprofil = 'seed'", r"profil\b.*profile"),
        ("max-length = 'many'", "many"),
        ("profile = 'sead'", "sead.*seed"),
        ("max-length =", "it is not TOML"),
        ("encode = 3", "encode"),
    ],
)
def test_a_config_file_that_makes_no_sense_is_refused(
    content: str, message: str, csv: Path, tmp_path: Path, capsys: Capsys
) -> None:
    config = tmp_path / "charmill.toml"
    config.write_text(content)
    done = call_here(capsys, "encode", csv, "--out", tmp_path / "out", "--text", "title", "--config", config)
    assert done.code == 2
    assert len(done.said) == 1
    assert re.search(message, done.error), done.error
    assert not (tmp_path / "out").exists()


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


def test_an_error_of_our_own_says_how_to_see_more(
    csv: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr("pipeline.building.builder.DatasetBuilder.read", fail)
    done = call_here(capsys, "encode", csv, "--out", tmp_path / "out", "--text", "title")
    assert done.code == 70
    assert done.error == "error: internal error: ZeroDivisionError: two lines; --debug shows where; please report it"
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


HIDE_TORCH = """
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {'torch', 'einops', 'jinja2'}:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
import importlib.util
sys.meta_path.insert(0, Hidden())
_find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name in {'torch', 'einops', 'jinja2'} else _find(name, *a)
"""


def test_without_torch_all_but_training_works(csv: Path, tmp_path: Path) -> None:
    done = call("train", shared_dataset(), "--out", tmp_path / "run", prelude=HIDE_TORCH)
    assert done.code == 69
    assert re.search(r"training needs torch, einops, jinja2: pip install .*\[train\]", done.error)
    assert not (tmp_path / "run").exists()
    done = call("encode", csv, "--out", tmp_path / "out", "--text", "title", "--json", prelude=HIDE_TORCH)
    assert (done.code, done.said) == (0, []), done.err
    for engine in ("auto", "folded"):
        flags = ["--run", shared_run(), "--out", tmp_path / engine, "--text", "title", "--engine", engine, "--json"]
        done = call("score", csv, *flags, prelude=HIDE_TORCH)
        assert (done.code, done.said) == (0, []), done.err
        assert done.report["engine"] == "folded on cpu"
    done = call(
        "score",
        csv,
        "--run",
        shared_run(),
        "--out",
        tmp_path / "t",
        "--text",
        "title",
        "--engine",
        "torch",
        prelude=HIDE_TORCH,
    )
    assert done.code == 69
    assert "--engine folded" in done.error
