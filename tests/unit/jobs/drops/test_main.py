"""The command `python -m jobs.drops` and its `status`: what counts, what is said, and with which exit code it ends."""

import gzip
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from jobs.drops import status as drop_status
from jobs.drops.inbox import hash_file
from jobs.drops.work import DropScorer
from model.runs.model_file import read_model
from pipeline.errors import TemporaryError
from tests.commands import ROOT, Done, call, call_here, environment
from tests.datasets import make_csv, shared_run
from tests.drops import fill, ledger, published, tokens


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return fill(tmp_path / "in", num_drops=2)


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "out"


def _run(capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path, *more: object) -> Done:
    return call_here(capsys, "drops", *tokens(inbox, outbox, "--json", *more))


def _status(outbox: Path) -> dict[str, Any]:
    return drop_status.run(drop_status.StatusConfig(outbox=outbox))


def test_what_is_written(capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path) -> None:
    done = _run(capsys, inbox, outbox, "--keep", "title")
    assert done.code == 0
    report = done.report
    assert (report["rows_in"], report["rows_out"], report["rows_quarantined"]) == (122, 120, 2)
    assert report["drops"] == {"scored": 2, "duplicate": 1, "unsettled": 0}
    model = read_model(shared_run()).fingerprint
    assert all(
        re.fullmatch(rf"drop[01]-[0-9a-f]{{12}}-{model[:8]}(\.quarantine)?\.parquet", Path(path).name)
        for path in report["outputs"]
    )
    assert sorted(Path(path).name for path in report["outputs"]) == sorted(published(outbox))
    scores = next(path for path in outbox.glob("drop0-*.parquet") if "quarantine" not in path.name)
    assert pl.read_parquet(scores).columns == ["record", "title", "prediction", "confidence"]
    metadata = json.loads(pq.read_schema(scores).metadata[b"charmill"])
    assert metadata["source"]["name"] == "drop0.csv"
    assert metadata["source"]["sha256"][:12] == scores.name[6:18]
    quarantine = pl.read_parquet(scores.with_name(scores.stem + ".quarantine.parquet"))
    assert quarantine["source"].to_list() == ["drop0.csv"]


def test_nothing_to_do_is_done(capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert _run(capsys, empty, outbox).code == 0
    _run(capsys, inbox, outbox)
    before = {path.name: path.stat().st_mtime_ns for path in outbox.glob("*.parquet")}
    done = _run(capsys, inbox, outbox)
    assert (done.code, done.report["scored"], done.report["outputs"]) == (0, 0, [])
    assert {path.name: path.stat().st_mtime_ns for path in outbox.glob("*.parquet")} == before


def test_new_bytes_under_an_old_name_are_a_new_drop(
    capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path
) -> None:
    _run(capsys, inbox, outbox)
    before = published(outbox)
    make_csv(inbox / "drop0.csv", 10, seed=99)
    assert _run(capsys, inbox, outbox).report["scored"] == 1
    assert before.items() < published(outbox).items()
    shutil.copy(inbox / "drop0.csv", inbox / "other.csv")
    assert _run(capsys, inbox, outbox).report["scored"] == 0
    assert ledger(outbox, "name", "state")[-2:] == [("other.csv", "duplicate"), ("twin.csv", "duplicate")]


def test_compressed_drops_and_all_endings(capsys: pytest.CaptureFixture[str], tmp_path: Path, outbox: Path) -> None:
    inbox = tmp_path / "in"
    inbox.mkdir()
    data = make_csv(inbox / "A.CSV", 20).read_bytes()
    (inbox / "b.csv.gz").write_bytes(gzip.compress(data))
    done = _run(capsys, inbox, outbox)
    assert (done.code, done.report["scored"]) == (0, 2)
    assert {name.partition("-")[0] for name in published(outbox)} == {"A", "b"}


def test_a_new_model_scores_new_drops_only_unless_asked(
    capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path, tmp_path: Path
) -> None:
    _run(capsys, inbox, outbox)
    other = tmp_path / "run"
    shutil.copytree(shared_run(), other)
    model = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps(model | {"temperature": 2.0}))
    given = [token if token != shared_run() else other for token in tokens(inbox, outbox, "--json")]
    make_csv(inbox / "new.csv", 10, seed=50)
    assert call_here(capsys, "drops", *given).report["scored"] == 1
    before = published(outbox)
    assert call_here(capsys, "drops", *given, "--rescore").report["scored"] == 2
    assert call_here(capsys, "drops", *given, "--rescore").report["scored"] == 0
    assert before.items() < published(outbox).items()
    assert len(published(outbox)) == 4 + 1 + 4


def test_rescore_with_other_flags_replaces(capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path) -> None:
    _run(capsys, inbox, outbox)
    assert _run(capsys, inbox, outbox, "--keep", "title").report["scored"] == 0
    assert _run(capsys, inbox, outbox, "--keep", "title", "--rescore").report["scored"] == 2
    assert len(published(outbox)) == 4
    scores = next(path for path in outbox.glob("drop0-*.parquet") if "quarantine" not in path.name)
    assert "title" in pl.read_parquet(scores).columns


def test_a_drop_that_cannot_be_read_does_not_stop_the_others(
    capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path
) -> None:
    (inbox / "a.csv").write_bytes("text\na\n".encode("utf-16"))
    (inbox / "b.csv").write_text("other\na\n")
    (inbox / "c.csv").write_text("label,title\n" + "bad\n" * 5 + "tools,chisel\n")
    done = _run(capsys, inbox, outbox)
    assert done.code == 65
    report = json.loads(done.out)
    assert (report["scored"], report["failed"]) == (2, 3)
    assert "3 drops failed, see python -m jobs.drops status --outbox" in done.error
    found = {name: (state, error) for name, state, error in ledger(outbox, "name", "state", "error")}
    assert [found[name][0] for name in ("a.csv", "b.csv", "c.csv")] == ["failed"] * 3
    assert "UTF-16" in found["a.csv"][1]
    assert "there is no column 'title'" in found["b.csv"][1]
    assert "--max-quarantined" in found["c.csv"][1]
    (quarantine,) = outbox.glob("c-*.quarantine.parquet")
    assert len(pl.read_parquet(quarantine)) == 5
    assert ledger(outbox, "name", "quarantine")[2] == ("c.csv", quarantine.name)
    again = _run(capsys, inbox, outbox)
    assert (again.code, again.report["failed"]) == (0, 0)
    assert _run(capsys, inbox, outbox, "--rescore", "--max-quarantined", 1).code == 65
    assert len(pl.read_parquet(next(path for path in outbox.glob("c-*.parquet") if "quarant" not in path.name))) == 1


def test_a_file_that_may_not_be_read_is_tried_again(
    capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def locked(file: Any) -> Any:
        if file.name == "drop0.csv":
            calls.append(file)
            if len(calls) < 6:
                raise TemporaryError(f"{file.path}: cannot read: Permission denied", path=file.path)
        return hash_file(file)

    monkeypatch.setattr("jobs.drops.watch.hash_file", locked)
    done = _run(capsys, inbox, outbox, "--max-attempts", 3)
    assert done.code == 75
    assert "Permission denied" in done.error
    assert ledger(outbox, "name", "state", "attempts", "exit_code")[0] == ("drop0.csv", "failed", 3, 75)
    done = _run(capsys, inbox, outbox, "--max-attempts", 3)
    assert done.code == 0
    assert len(calls) == 6
    assert [state for _, state in ledger(outbox, "name", "state")].count("scored") == 2


def test_a_drop_that_vanishes_or_changes_while_it_is_scored(
    capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score, changes = DropScorer.score, list[int]()

    def meddled(self: Any, file: Any, *args: Any) -> Any:
        if not changes and file.name == "drop0.csv":
            changes.append(file.path.write_bytes(file.path.read_bytes() + b"tools,awl\n"))
        if file.name == "drop1.csv":
            file.path.unlink(missing_ok=True)
        return score(self, file, *args)

    (inbox / "twin.csv").unlink()
    monkeypatch.setattr(DropScorer, "score", meddled)
    done = _run(capsys, inbox, outbox)
    assert done.code == 0
    assert done.report["scored"] == 1
    assert done.report["rows_in"] == 62
    assert sorted(state for (state,) in ledger(outbox, "state")) == ["gone", "gone", "scored"]


def test_a_foreign_file_is_not_replaced(capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path) -> None:
    _run(capsys, inbox, outbox)
    names = [name for name in published(outbox) if "quarantine" not in name]
    shutil.rmtree(outbox)
    outbox.mkdir()
    (outbox / names[0]).write_text("precious")
    (outbox / names[1]).symlink_to(outbox.parent / "elsewhere.parquet")
    done = _run(capsys, inbox, outbox, "--max-attempts", 2)
    assert done.code == 75
    assert (outbox / names[0]).read_text() == "precious"
    assert not (outbox.parent / "elsewhere.parquet").exists()
    assert "it is something else; move it away" in ledger(outbox, "error")[0][0]
    for name in names:
        (outbox / name).unlink()
    assert _run(capsys, inbox, outbox).report["scored"] == 2


@pytest.mark.parametrize("ending", [".quarantine.parquet", ".failed.quarantine.parquet"])
def test_a_foreign_file_in_the_place_of_a_quarantine_is_not_replaced(
    capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path, ending: str
) -> None:
    _run(capsys, inbox, outbox)
    names = [name.removesuffix(".parquet") for name in published(outbox) if "quarantine" not in name]
    for path in outbox.glob("*.quarantine.parquet"):
        path.unlink()
    (outbox / f"{names[0]}{ending}").write_text("precious")
    (outbox.parent / "elsewhere").write_text("precious")
    (outbox / f"{names[1]}{ending}").symlink_to(outbox.parent / "elsewhere")
    flags = ["--rescore", "--keep", "title", "--max-quarantined", 0, "--max-attempts", 1]
    assert _run(capsys, inbox, outbox, *flags).code == 75
    assert (outbox / f"{names[0]}{ending}").read_text() == "precious"
    assert (outbox.parent / "elsewhere").read_text() == "precious"


def test_nothing_in_the_ledger_or_the_work_folder_leads_elsewhere(
    capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path, tmp_path: Path
) -> None:
    _run(capsys, inbox, outbox)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.txt").write_text("precious")
    with closing(sqlite3.connect(outbox / "ledger.sqlite")) as connection, connection:
        connection.execute("UPDATE drops SET state = 'waiting', name = '../escaped.csv' WHERE name = 'drop0.csv'")
        (number,) = connection.execute("SELECT id FROM drops WHERE name = '../escaped.csv'").fetchone()
    (outbox / ".work" / f"drop-{number}").symlink_to(elsewhere)
    (outbox / ".work" / "drop-99").symlink_to(elsewhere)
    assert _run(capsys, inbox, outbox).report["scored"] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "elsewhere"}
    assert [path.name for path in elsewhere.iterdir()] == ["thesis.txt"]
    assert any(path.name.startswith(".._escaped-") for path in outbox.iterdir())
    shutil.rmtree(outbox / ".work")
    (outbox / ".work").symlink_to(elsewhere)
    assert _run(capsys, inbox, outbox).code == 2
    assert [path.name for path in elsewhere.iterdir()] == ["thesis.txt"]


def test_a_drop_damaged_while_it_is_read_is_not_held_against_its_content(
    capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = inbox / "packed.csv.gz"
    whole = gzip.compress((inbox / "drop0.csv").read_bytes() + b"tools,awl\n")
    path.write_bytes(whole)
    score = DropScorer.score

    def cut(self: Any, file: Any, *args: Any) -> Any:
        if file.path == path:
            path.write_bytes(whole[:-20])
        return score(self, file, *args)

    monkeypatch.setattr(DropScorer, "score", cut)
    done = _run(capsys, inbox, outbox)
    assert done.code == 65  # The damaged file is a drop of its own, and that fails.
    monkeypatch.undo()
    path.write_bytes(whole)
    done = _run(capsys, inbox, outbox)
    assert (done.code, done.report["scored"]) == (0, 1)


def test_what_failed_is_tried_again_when_asked(capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path) -> None:
    (inbox / "c.csv").write_text("label,title\n" + "bad\n" * 5 + "tools,chisel\n")
    assert _run(capsys, inbox, outbox).code == 65
    assert _run(capsys, inbox, outbox, "--max-quarantined", 1).report["scored"] == 0
    done = _run(capsys, inbox, outbox, "--max-quarantined", 1, "--retry-failed")
    assert (done.code, done.report["scored"]) == (0, 1)


def test_a_drop_that_kills_its_process_does_not_keep_the_others_waiting(
    capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path
) -> None:
    deadly = (
        "import os\nfrom jobs.drops.work import DropScorer\nscore = DropScorer.score\n"
        "DropScorer.score = lambda self, file, *a: os._exit(9) if file.name == 'drop0.csv' else score(self, file, *a)"
    )
    for _ in range(3):
        assert call("drops", *tokens(inbox, outbox, "--json"), prelude=deadly).code == 9
    assert ledger(outbox, "name", "state")[:2] == [("drop0.csv", "scoring"), ("drop1.csv", "scored")]


def test_it_runs_without_streams_and_without_a_place_for_kernels(inbox: Path, outbox: Path, tmp_path: Path) -> None:
    (inbox / "\U0001f600 \n.csv").write_text("label,title\ntools,chisel\n")
    given = " ".join(shlex.quote(str(token)) for token in tokens(inbox, outbox))
    for streams, code in (("<&- >&- 2>&-", 0), ("2>/dev/full", 0)):
        command = f"{shlex.quote(sys.executable)} -m jobs.drops {given} {streams}"
        env = environment({"PYTHONIOENCODING": "ascii", "TMPDIR": str(tmp_path)})
        done = subprocess.run(command, shell=True, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
    assert [state for (state,) in ledger(outbox, "state")].count("scored") == 3


def test_a_growing_file_waits_and_does_not_hold_up_the_run(
    capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path
) -> None:
    stopped = threading.Event()

    def grow() -> None:
        while not stopped.wait(0.05):
            with (inbox / "growing.csv").open("a") as file:
                file.write("label,title\n")

    thread = threading.Thread(target=grow)
    thread.start()
    given = [token if token != 0 else 1.5 for token in tokens(inbox, outbox, "--json")]
    try:
        time.sleep(0.2)
        done = call_here(capsys, "drops", *given)
    finally:
        stopped.set()
        thread.join()
    assert (done.code, done.report["scored"], done.report["drops"]["unsettled"]) == (0, 2, 1)
    assert "growing.csv" not in {name for (name,) in ledger(outbox, "name")}


def test_ready_suffix(capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path) -> None:
    (inbox / "drop1.csv.done").touch()
    given = [token if token != 0 else 1000 for token in tokens(inbox, outbox, "--json", "--ready-suffix", ".done")]
    assert call_here(capsys, "drops", *given).report["scored"] == 1
    assert [name for (name,) in ledger(outbox, "name")] == ["drop1.csv"]


def test_metrics(capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_text("other\na\n")
    path = tmp_path / "charmill.prom"
    assert _run(capsys, inbox, outbox, "--metrics", path).code == 65
    text = path.read_text()
    values = dict(re.findall(r"^(charmill_\S+) (\S+)$", text, re.MULTILINE))
    assert values['charmill_drops{state="scored"}'] == "2"
    assert values['charmill_drops{state="failed"}'] == "1"
    assert values['charmill_drops{state="duplicate"}'] == "1"
    assert values["charmill_rows_scored_total"] == "120"
    assert values["charmill_rows_quarantined_total"] == "2"
    assert 0 <= float(values["charmill_seconds_since_last_success"]) < 60
    assert text.count("# TYPE") == text.count("# HELP") == len({name.partition("{")[0] for name in values})
    assert _run(capsys, inbox, outbox, "--metrics", path).code == 0
    foreign = tmp_path / "notes.txt"
    foreign.write_text("precious")
    done = _run(capsys, inbox, outbox, "--metrics", foreign)
    assert (done.code, foreign.read_text()) == (2, "precious")


def test_status(capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path) -> None:
    (inbox / "a\x1b[31m.csv").write_text("other\na\n")
    _run(capsys, inbox, outbox)
    report = _status(outbox)
    assert (report["rows_in"], report["rows_out"], report["rows_quarantined"]) == (122, 120, 2)
    assert {state: count for state, count in report["states"].items() if count} == {
        "scored": 2,
        "failed": 1,
        "duplicate": 1,
    }
    assert {drop["state"] for drop in report["drops"]} == {"scored", "failed", "duplicate"}
    shown = drop_status.render(report)
    assert "\x1b" not in shown
    assert "the same bytes as drop" in shown
    assert re.search(r"^drop1\.csv +scored +61 +60 +1 ", shown, re.MULTILINE)
    assert "3 earlier drops" in drop_status.render(report | {"last": 1})


def test_status_as_a_command(capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path) -> None:
    _run(capsys, inbox, outbox)
    done = call("drops", "status", "--outbox", outbox, "--json")
    assert done.code == 0
    assert len(done.report["drops"]) == 3
    assert "rows scored" in call("drops", "status", "--outbox", outbox).out
    assert call("drops", "status", "--outbox", outbox / "nowhere").code == 2
    outbox.joinpath("empty").mkdir()
    assert "none" in call("drops", "status", "--outbox", outbox / "empty").out
    assert list((outbox / "empty").iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--once", "--watch"], "--once and --watch: give one of them"),
        (["--max-attempts", 0], "--max-attempts 0: expected 1 or more"),
        (["--ready-suffix", ".csv"], "--ready-suffix '.csv'"),
        (["--lease", 0], "--lease 0: expected"),
        (["--lease", "inf"], "--lease inf: expected"),
        (["--lease", "nan"], "--lease nan: expected"),
        (["--ready-suffix", ".gz"], "--ready-suffix '.gz'"),
        (["--metrics", "nowhere/x.prom"], "nowhere/x.prom: --metrics: its folder is not there"),
        (["--keep", "prediction"], "--keep prediction"),
    ],
)
def test_flags_that_make_no_sense(
    capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path, flags: list[object], message: str
) -> None:
    done = _run(capsys, inbox, outbox, *flags)
    assert done.code == 2
    assert message in done.error
    assert not outbox.exists()


def test_the_inbox_cannot_be_the_outbox(capsys: pytest.CaptureFixture[str], inbox: Path) -> None:
    assert _run(capsys, inbox, inbox).code == 2
    assert not (inbox / "ledger.sqlite").exists()


def test_outputs_have_the_rights_of_the_umask(capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path) -> None:
    before = os.umask(0o027)
    try:
        _run(capsys, inbox, outbox)
    finally:
        os.umask(before)
    assert {oct(path.stat().st_mode & 0o777) for path in outbox.glob("[!.]*")} == {"0o640"}
