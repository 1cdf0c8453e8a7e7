"""The report job as a command."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from model.reports.run_report import render_report
from tests.commands import call, call_here, files_in, hide
from tests.datasets import shared_run
from tests.records import make_record, write_run

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [write_run(tmp_path / name / "run", make_record(2 + index)) for index, name in enumerate("ab")]


def test_one_run_is_rendered_anew_as_training_rendered_it(tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "deep" / "page.html"
    before = files_in(shared_run())
    done = call_here(capsys, "report", shared_run(), "--out", out, "--json")
    assert (done.code, done.said) == (0, []), done.err
    assert out.read_bytes() == before["report.html"]
    assert files_in(shared_run()) == before
    assert done.report["outputs"] == [str(out)]
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]


def test_several_runs_are_compared(runs: list[Path], tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "compare.html"
    done = call_here(capsys, "report", *runs, "--out", out, "--json")
    assert (done.code, done.said) == (0, []), done.err
    assert [run["name"] for run in done.report["runs"]] == ["a/run", "b/run"]
    assert done.report["comparable"] is True
    assert done.report["runs"][0]["baseline_accuracy"] == 0.8002
    assert done.report["runs"][0]["trained"] == "2025-11-24T20:16:01Z"
    html = out.read_text()
    assert "a/run" in html
    assert "b/run" in html
    done = call_here(capsys, "report", *runs, "--out", out)
    assert done.code == 2
    assert f"{out}: it exists already" in done.error
    assert out.read_text() == html
    done = call_here(capsys, "report", runs[0], "--out", out, "--overwrite")
    assert done.code == 0, done.err
    assert out.read_bytes() == render_report(make_record(2))


def test_runs_on_other_data_are_compared_with_a_warning(runs: list[Path], tmp_path: Path, capsys: Capsys) -> None:
    record = make_record()
    other = replace(record, model=replace(record.model, dataset_fingerprint="beef" * 4))
    done = call_here(capsys, "report", runs[0], write_run(tmp_path / "other", other), "--out", tmp_path / "o.html")
    assert done.code == 0
    assert re.search(r"warning +the datasets differ, so accuracies and macro-F1 cannot be compared", done.out)
    assert "different datasets" in (tmp_path / "o.html").read_text()
    done = call_here(capsys, "report", *runs, "--out", tmp_path / "p.html", "--json")
    assert (done.report["comparable"], done.report["differs"]) == (True, "")
    more = write_run(tmp_path / "more", make_record(2, 5))
    done = call_here(capsys, "report", runs[0], more, "--out", tmp_path / "q.html", "--json")
    assert (done.report["comparable"], done.report["differs"]) == (False, "classes")


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ("nowhere", 2, "there is no such run"),
        ("twice", 2, "this run is given twice; name each run once"),
        ("nine", 2, "9 runs: expected 1 to 8"),
        ("folder", 2, "it is a folder; name a file such as report.html"),
        ("-", 2, "--out -: it is standard output and no file; name a file such as report.html"),
        ("/dev/stdout", 2, "--out /dev/stdout: it is standard output and no file; name a file"),
        ("/dev/null", 2, "--out /dev/null: it is a device and no file; name a file"),
        ("damaged", 65, r"evaluation\.json: it is damaged"),
        ("unfinished", 2, "no training has finished there"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    change: str,
    code: int,
    message: str,
    runs: list[Path],
    tmp_path: Path,
    capsys: Capsys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out.html"
    if change == "nowhere":
        runs.append(tmp_path / "nowhere")
    elif change == "twice":
        runs.append(runs[0] / ".." / "run")
    elif change == "nine":
        runs = [tmp_path / str(index) for index in range(9)]
    elif change == "folder":
        out.mkdir()
    elif change == "damaged":
        (runs[1] / "evaluation.json").write_text("{}")
    elif change == "unfinished":
        (runs[1] / "model.json").unlink()
    else:
        out = Path(change)
    before = files_in(tmp_path)
    done = call_here(capsys, "report", *runs, "--out", out)
    assert (done.code, done.out) == (code, "")
    assert len(done.said) == 1
    assert re.search(message, done.error), done.error
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_without_a_package_it_says_what_to_install(package: str, runs: list[Path], tmp_path: Path) -> None:
    done = call("report", runs[0], "--out", tmp_path / "out.html", prelude=hide(package))
    assert done.code == 69
    assert re.search(rf"reports need {package}: pip install .*\[report\]", done.error)
    assert not (tmp_path / "out.html").exists()


def test_it_needs_no_home(runs: list[Path], tmp_path: Path) -> None:
    prelude = "import os\nos.environ['HOME'] = os.environ['XDG_CACHE_HOME'] = os.environ['XDG_CONFIG_HOME'] = '/dev/null/home'"
    done = call("report", *runs, "--out", tmp_path / "out.html", prelude=prelude)
    assert (done.code, done.said) == (0, []), done.err


def test_it_needs_no_torch(runs: list[Path], tmp_path: Path) -> None:
    prelude = hide("torch", "einops", "scipy", "sklearn")
    done = call("report", *runs, "--out", tmp_path / "out.html", prelude=prelude)
    assert (done.code, done.said) == (0, []), done.err
