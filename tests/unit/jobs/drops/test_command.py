"""The command `charmill drops`: what counts, what is said, and with which exit code it ends."""

import gzip
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from jobs.drops.command import render
from jobs.drops.inbox import FOLDER, OTHER_ENDING, hash_file
from model.runs.model_file import read_model
from model.scoring.scorer import Scorer
from pipeline.errors import TemporaryError
from pipeline.storage.source import Source
from tests.commands import ROOT, Done, call_here, environment
from tests.datasets import make_csv, shared_run
from tests.drops import fill, ledger, published, tokens

Run = Callable[..., Done]


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return fill(tmp_path / "in", num_drops=2)


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], inbox: Path, outbox: Path) -> Run:
    """Scores the inbox's drops into the outbox, with more flags or with other values of them."""

    def run(*more: object, inbox: Path = inbox, **values: Any) -> Done:
        return call_here(capsys, "drops", *tokens(inbox, outbox, "--json", *more, **values))

    return run


def test_what_is_written(run: Run, outbox: Path) -> None:
    done = run("--keep", "title")
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


def test_an_inbox_of_files_of_several_kinds(run: Run, tmp_path: Path, outbox: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    text = make_csv(tmp_path / "in.csv", 20).read_text(encoding="utf-8").replace("and", "\u00e9n")
    kinds = {
        "a.csv": (",", "", "utf-8"),
        "b.csv": (";", "", "cp1252"),
        "c.tsv": ("\t", "", "utf-16"),
        "d.csv": ("|", "", "utf-8-sig"),
        "e.csv": (";", "sep=;\n", "utf-16"),
    }
    for name, (delimiter, before, encoding) in kinds.items():
        data = (before + text.replace(",", delimiter)).encode(encoding)
        (other / name).write_bytes(data)
        (other / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))
    (other / "f.csv").write_text("label\ntools\nfish\n" * 3, encoding="utf-8")
    (other / "g.csv").write_text("label;title, or so\na;b, c\nd;e, f\n", encoding="utf-8")
    done = run("--keep", "label", inbox=other)
    assert done.code == 65
    assert (json.loads(done.out)["scored"], json.loads(done.out)["failed"]) == (10, 2)
    read = {row[0]: row[1:] for row in ledger(outbox, "name", "state", "rows_scored", "delimiter", "encoding", "error")}
    for name, (delimiter, _, encoding) in kinds.items():
        expected = ("scored", 20, delimiter, encoding.removesuffix("-sig"), "")
        assert read[name] == read[f"{name}.gz"] == expected
    assert read["g.csv"][:4] == ("failed", 0, "", "")
    assert "it is not clear what stands between its fields" in read["g.csv"][4]
    scores = {path.name.partition("-")[0]: path for path in outbox.glob("*.parquet")}
    assert all(pl.read_parquet(path).equals(pl.read_parquet(scores["a"])) for path in scores.values())
    notes = [line.partition(" ")[2] for line in done.said]
    numbers = dict(ledger(outbox, "name", "id"))
    assert f"drop {numbers['a.csv']}, a.csv, scored  rows 20  quarantined 0" in notes
    utf16 = f"drop {numbers['c.tsv']}, c.tsv, scored  rows 20  quarantined 0  delimiter tab  encoding utf-16"
    assert utf16 in notes


def test_nothing_to_do_is_done(run: Run, outbox: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(inbox=empty).code == 0
    run()
    before = {path.name: path.stat().st_mtime_ns for path in outbox.glob("*.parquet")}
    done = run()
    assert (done.code, done.report["scored"], done.report["outputs"]) == (0, 0, [])
    assert {path.name: path.stat().st_mtime_ns for path in outbox.glob("*.parquet")} == before


def test_new_bytes_under_an_old_name_are_a_new_drop(run: Run, inbox: Path, outbox: Path) -> None:
    run()
    before = published(outbox)
    make_csv(inbox / "drop0.csv", 10, seed=99)
    assert run().report["scored"] == 1
    assert before.items() < published(outbox).items()
    shutil.copy(inbox / "drop0.csv", inbox / "other.csv")
    assert run().report["scored"] == 0
    assert ledger(outbox, "name", "state")[-2:] == [("other.csv", "duplicate"), ("twin.csv", "duplicate")]


def test_compressed_drops_and_all_endings(run: Run, tmp_path: Path, outbox: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    data = make_csv(other / "A.CSV", 20).read_bytes()
    (other / "b.csv.gz").write_bytes(gzip.compress(data))
    done = run(inbox=other)
    assert (done.code, done.report["scored"]) == (0, 2)
    assert {name.partition("-")[0] for name in published(outbox)} == {"A", "b"}


def test_a_new_model_scores_new_drops_only_unless_asked(run: Run, inbox: Path, outbox: Path, tmp_path: Path) -> None:
    run()
    other = tmp_path / "run"
    shutil.copytree(shared_run(), other)
    model = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps(model | {"temperature": 2.0}))
    make_csv(inbox / "new.csv", 10, seed=50)
    assert run(run=other).report["scored"] == 1
    before = published(outbox)
    assert run("--rescore", run=other).report["scored"] == 2
    assert run("--rescore", run=other).report["scored"] == 0
    assert before.items() < published(outbox).items()
    assert len(published(outbox)) == 4 + 1 + 4


def test_rescore_with_other_flags_replaces(run: Run, outbox: Path) -> None:
    run()
    assert run("--keep", "title").report["scored"] == 0
    assert run("--keep", "title", "--rescore").report["scored"] == 2
    assert len(published(outbox)) == 4
    scores = next(path for path in outbox.glob("drop0-*.parquet") if "quarantine" not in path.name)
    assert "title" in pl.read_parquet(scores).columns


def _rows_scored_total(metrics: Path) -> int:
    (line,) = [line for line in metrics.read_text().splitlines() if line.startswith("charmill_rows_scored_total ")]
    return int(line.split()[1])


def test_a_rescore_that_fails_leaves_what_is_scored(run: Run, outbox: Path, tmp_path: Path) -> None:
    metrics = tmp_path / "charmill.prom"
    run("--metrics", metrics)
    before = published(outbox)
    for failed in (2, 0):
        done = run("--keep", "tilte", "--rescore", "--metrics", metrics)
        report = json.loads(done.out)
        assert (done.code, report["failed"]) == (65, failed)
        assert report["drops"] == {"scored": 2, "failed": 2, "duplicate": 1, "unsettled": 0}
        assert "there is no column 'tilte'" in done.error
    assert published(outbox) == before
    assert _rows_scored_total(metrics) == 120
    mended = run("--keep", "title", "--metrics", metrics)
    assert (mended.code, mended.report["scored"], _rows_scored_total(metrics)) == (0, 2, 240)
    assert mended.report["drops"] == {"scored": 2, "replaced": 2, "duplicate": 1, "unsettled": 0}
    run("--keep", "tilte", "--rescore")
    as_it_is = run("--keep", "title")
    assert (as_it_is.code, as_it_is.report["scored"]) == (0, 0)
    assert "counts as failed no longer: it is scored with this model and these flags" in as_it_is.err


def test_a_rescore_that_failed_is_not_taken_back_where_the_scores_are_gone(run: Run, outbox: Path) -> None:
    run("--keep", "title")
    whole = published(outbox)
    next(path for path in outbox.glob("drop0-*.parquet") if "quarantine" not in path.name).unlink()
    assert run("--keep", "tilte", "--rescore").code == 65
    mended = run("--keep", "title")
    assert (mended.code, mended.report["scored"]) == (0, 1)
    assert published(outbox) == whole
    assert run("--keep", "title").report["scored"] == 0


def test_a_drop_that_fails_under_another_model_too_has_one_state(
    run: Run, inbox: Path, outbox: Path, tmp_path: Path
) -> None:
    shutil.rmtree(inbox)
    inbox.mkdir()
    (inbox / "q.csv").write_text("label,title\ntools,awl\nbad\nbad\n")
    other = shutil.copytree(shared_run(), tmp_path / "run")
    model = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps(model | {"temperature": 2.0}))
    columns = ("state", "rows_in", "rows_scored", "rows_quarantined", "error")
    assert run().code == 65
    assert run("--rescore", run=other).code == 65
    assert run("--max-quarantined", 1).code == 0
    assert ledger(outbox, *columns) == [("scored", 3, 1, 2, "")]
    assert run("--rescore", run=other).code == 65
    assert ledger(outbox, *columns)[0] == ("scored", 3, 1, 2, "")
    assert run("--max-quarantined", 1).code == 0
    assert ledger(outbox, *columns) == [("scored", 3, 1, 2, "")]


def test_a_drop_that_cannot_be_read_does_not_stop_the_others(run: Run, inbox: Path, outbox: Path) -> None:
    (inbox / "a.csv").write_bytes("text\na\n".encode("utf-16-le"))
    (inbox / "b.csv").write_text("other\na\n")
    (inbox / "c.csv").write_text("label,title\n" + "bad\n" * 5 + "tools,chisel\n")
    done = run()
    assert done.code == 65
    report = json.loads(done.out)
    assert (report["scored"], report["failed"]) == (2, 3)
    reasons = [r"this is .*UTF-16.* \(drop \d, a\.csv\)", r"there is no column 'title' for --text \(drop \d, b\.csv\)"]
    reasons += [r"5 of 6 .* \(drop \d, c\.csv\)", f"charmill drops status --failed --outbox {outbox} says why"]
    expected = f"error: 3 drops stand failed: {'; '.join(reasons)}; .*; --allow-failed ends with 0"
    assert re.fullmatch(expected, done.error)
    found = {name: (state, error) for name, state, error in ledger(outbox, "name", "state", "error")}
    assert [found[name][0] for name in ("a.csv", "b.csv", "c.csv")] == ["failed"] * 3
    assert "UTF-16" in found["a.csv"][1]
    assert "there is no column 'title'" in found["b.csv"][1]
    assert "--max-quarantined" in found["c.csv"][1]
    (quarantine,) = outbox.glob("c-*.quarantine.parquet")
    assert len(pl.read_parquet(quarantine)) == 5
    assert ledger(outbox, "name", "quarantine")[2] == ("c.csv", quarantine.name)
    again = run()
    assert (again.code, json.loads(again.out)["failed"]) == (65, 0)
    assert again.error == done.error
    assert run("--max-quarantined", 1).code == 65
    assert len(pl.read_parquet(next(path for path in outbox.glob("c-*.parquet") if "quarant" not in path.name))) == 1


def test_a_file_that_may_not_be_read_is_tried_again(run: Run, outbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def locked(file: Any) -> Any:
        if file.name == "drop0.csv":
            calls.append(file)
            if len(calls) < 6:
                raise TemporaryError(f"{file.path}: cannot read: Permission denied", path=file.path)
        return hash_file(file)

    monkeypatch.setattr("jobs.drops.intake.hash_file", locked)
    done = run("--max-attempts", 3)
    assert done.code == 75
    assert "Permission denied" in done.error
    assert ledger(outbox, "name", "state", "attempts", "exit_code")[0] == ("drop0.csv", "failed", 3, 75)
    done = run("--max-attempts", 3)
    assert done.code == 0
    assert len(calls) == 6
    assert [state for _, state in ledger(outbox, "name", "state")].count("scored") == 2


def test_a_file_whose_rights_are_mended_is_scored_by_the_next_run(
    run: Run, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(file: Any) -> Any:
        raise TemporaryError(f"{file.path}: cannot read: Permission denied", path=file.path)

    monkeypatch.setattr("jobs.drops.intake.hash_file", locked)
    assert run("--max-attempts", 1).code == 75
    monkeypatch.undo()
    done = run("--max-attempts", 1)
    assert (done.code, done.report["drops"]) == (0, {"scored": 2, "duplicate": 1, "unsettled": 0})
    assert "no longer" not in done.err


def test_a_foreign_file_is_not_replaced(run: Run, outbox: Path) -> None:
    run()
    names = [name for name in published(outbox) if "quarantine" not in name]
    shutil.rmtree(outbox)
    outbox.mkdir()
    (outbox / names[0]).write_text("precious")
    (outbox / names[1]).symlink_to(outbox.parent / "elsewhere.parquet")
    done = run("--max-attempts", 2)
    assert done.code == 75
    assert (outbox / names[0]).read_text() == "precious"
    assert not (outbox.parent / "elsewhere.parquet").exists()
    assert "it is something else; move it away" in ledger(outbox, "error")[0][0]
    for name in names:
        (outbox / name).unlink()
    assert run().report["scored"] == 2


@pytest.mark.parametrize("ending", [".quarantine.parquet", ".failed.quarantine.parquet"])
def test_a_foreign_file_in_the_place_of_a_quarantine_is_not_replaced(run: Run, outbox: Path, ending: str) -> None:
    run()
    names = [name.removesuffix(".parquet") for name in published(outbox) if "quarantine" not in name]
    for path in outbox.glob("*.quarantine.parquet"):
        path.unlink()
    (outbox / f"{names[0]}{ending}").write_text("precious")
    (outbox.parent / "elsewhere").write_text("precious")
    (outbox / f"{names[1]}{ending}").symlink_to(outbox.parent / "elsewhere")
    flags = ["--rescore", "--keep", "title", "--max-quarantined", 0, "--max-attempts", 1]
    assert run(*flags).code == 75
    assert (outbox / f"{names[0]}{ending}").read_text() == "precious"
    assert (outbox.parent / "elsewhere").read_text() == "precious"


def test_nothing_in_the_ledger_or_the_work_folder_leads_elsewhere(run: Run, outbox: Path, tmp_path: Path) -> None:
    run()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.txt").write_text("precious")
    with closing(sqlite3.connect(outbox / "ledger.sqlite")) as connection, connection:
        connection.execute("UPDATE drops SET state = 'waiting', name = '../escaped.csv' WHERE name = 'drop0.csv'")
        (number,) = connection.execute("SELECT id FROM drops WHERE name = '../escaped.csv'").fetchone()
    (outbox / ".work" / f"drop-{number}").symlink_to(elsewhere)
    (outbox / ".work" / "drop-99").symlink_to(elsewhere)
    assert run().report["scored"] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "elsewhere"}
    assert [path.name for path in elsewhere.iterdir()] == ["thesis.txt"]
    assert any(path.name.startswith(".._escaped-") for path in outbox.iterdir())
    shutil.rmtree(outbox / ".work")
    (outbox / ".work").symlink_to(elsewhere)
    assert run().code == 2
    assert [path.name for path in elsewhere.iterdir()] == ["thesis.txt"]


def test_what_failed_is_tried_again_with_other_flags_or_when_asked(run: Run, inbox: Path, outbox: Path) -> None:
    (inbox / "c.csv").write_text("label,title\n" + "bad\n" * 5 + "tools,chisel\n")
    (inbox / "empty.csv").touch()

    def attempts() -> dict[str, int]:
        return {
            name: number for name, number, state in ledger(outbox, "name", "attempts", "state") if state == "failed"
        }

    assert run().code == run().code == 65
    assert attempts() == {"c.csv": 1, "empty.csv": 1}
    done = run("--max-quarantined", 1)
    assert (done.code, json.loads(done.out)["scored"]) == (65, 1)
    assert any("failed drops are tried again  drops 2" in line for line in done.said)
    assert attempts() == {"empty.csv": 2}
    assert run("--max-quarantined", 1, "--retry-failed").code == 65
    assert attempts() == {"empty.csv": 3}


def test_a_drop_counts_as_failed_until_its_file_is_mended_or_taken_away(run: Run, inbox: Path, outbox: Path) -> None:
    (inbox / "a.csv").write_text("other\nbad\n")
    (inbox / "b.csv").write_text("other\nworse\n")
    assert run().code == 65
    make_csv(inbox / "a.csv", 10, seed=50)
    one = run()
    assert one.code == 65
    assert re.match(r"error: drop \d, b\.csv, stands failed: there is no column 'title'", one.error)
    (inbox / "b.csv").rename(inbox / "c.csv")
    assert run().code == 65
    (inbox / "c.csv").unlink()
    done = run()
    assert done.code == 0
    assert re.search(r"drop \d, b\.csv, counts as failed no longer", done.err)
    assert ("a.csv", "gone") in ledger(outbox, "name", "state")
    (inbox / "again.csv").write_text("other\nbad\n")
    assert run().code == 65


def test_a_failed_drop_is_named_as_its_file_is_now(run: Run, inbox: Path) -> None:
    (inbox / "x[1].csv").write_text("other\nbad\n")
    run()
    shutil.copy(inbox / "x[1].csv", inbox / "x2.csv")
    (inbox / "x[1].csv").touch()  # What was changed first is looked at first.
    assert re.match(r"error: drop \d, x\[1\]\.csv, stands", run().error)
    (inbox / "x[1].csv").unlink()
    done = run()
    assert re.match(
        r"error: drop \d, x\[1\]\.csv \(now x2\.csv\), stands failed: .*with --only x2\.csv where", done.error
    )
    (failed,) = json.loads(done.out)["failed_drops"]
    assert failed["name"] == "x2.csv"
    assert failed["error"] in done.error
    (inbox / "x2.csv").rename(inbox / "x[1].csv")
    assert "--only 'x[[]1].csv'" in run().error


def test_only_some_files(run: Run, inbox: Path, outbox: Path) -> None:
    (inbox / "a1.csv").write_text("other\nawl\n")
    (inbox / "a2.csv").touch()
    (inbox / "notes.txt").touch()
    assert run("--only", "drop*").report["drops"] == {"scored": 2, "unsettled": 0}
    assert "no file in the inbox is called as --only z* says" in run("--only", "z*").err
    assert run().code == 65
    (inbox / "drop1.csv").unlink()
    before = ledger(outbox, "name", "state", "attempts")
    done = run("--only", "a1.csv", "--columns", "title")
    assert (done.code, done.report["scored"], done.report["failed_drops"], done.report["passed_over"]) == (0, 1, [], {})
    after = dict.fromkeys(before) | dict.fromkeys([("a1.csv", "scored", 2)])
    del after["a1.csv", "failed", 1]
    assert sorted(ledger(outbox, "name", "state", "attempts")) == sorted(after)
    done = run("--only", "a2.csv", "--columns", "title")
    assert (done.code, [each["name"] for each in json.loads(done.out)["failed_drops"]]) == (65, ["a2.csv"])
    (inbox / "a2.csv").unlink()
    assert run("--only", "a1.csv").code == 0
    assert ("a2.csv", "failed") in ledger(outbox, "name", "state")
    assert run("--only", "a2.csv").code == 0
    assert ("a2.csv", "gone") in ledger(outbox, "name", "state")


def test_scores_that_were_deleted_are_made_again_when_asked(run: Run, inbox: Path, outbox: Path) -> None:
    run()
    whole = published(outbox)
    next(path for path in outbox.glob("drop0-*.parquet") if "quarantine" not in path.name).unlink()
    assert run().report["scored"] == 0
    assert run("--rescore").report["scored"] == 1
    assert published(outbox) == whole
    assert run("--rescore").report["scored"] == 0


def test_failures_that_are_allowed_are_said_all_the_same(run: Run, inbox: Path) -> None:
    (inbox / "a.csv").write_text("other\na\n")
    for failed in (1, 0):
        done = run("--allow-failed")
        assert (done.code, done.report["failed"], done.report["drops"]["failed"]) == (0, failed, 1)
        assert re.search(r"drop \d, a\.csv, stands failed: there is no column 'title'", done.said[-1])
        assert "--allow-failed" not in done.err


@pytest.mark.parametrize(
    ("troubles", "code"),
    [
        ([TemporaryError], 75),
        ([RuntimeError], 70),
        ([TemporaryError, RuntimeError], 75),
        ([RuntimeError, TemporaryError], 75),
    ],
)
def test_trouble_of_the_run_keeps_its_code(
    troubles: list[type[Exception]], code: int, run: Run, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.csv").write_text("other\na\n")
    write = Scorer.write

    def break_down(scorer: Scorer, source: Source, *more: Any) -> Any:
        for number, trouble in enumerate(troubles):
            if source.name == f"drop{number}.csv":
                raise trouble("no such otter")
        return write(scorer, source, *more)

    monkeypatch.setattr(Scorer, "write", break_down)
    done = run("--allow-failed", "--max-attempts", 1)
    assert (done.code, json.loads(done.out)["failed"]) == (code, 1 + len(troubles))
    assert re.search(
        rf"drop \d, drop\d\.csv: .*no such otter.*; {1 + len(troubles)} drops stand failed, charmill", done.error
    )
    monkeypatch.undo()
    assert run("--allow-failed").report["scored"] == len(troubles)


def test_what_is_passed_over_is_counted_and_named(run: Run, inbox: Path) -> None:
    for number in range(12):
        (inbox / f"note\x1b{number:02d}.txt").touch()
    (inbox / "old").mkdir()
    done = run()
    assert done.report["passed_over"] == {
        **{f"note\x1b{number:02d}.txt": OTHER_ENDING for number in range(12)},
        "old": FOLDER,
    }
    (line,) = [line for line in done.said if "passed over" in line]
    assert re.search(rf"passed over 13: note\ufffd00\.txt, .*09\.txt \({OTHER_ENDING}\), and 3 more$", line)
    table = render(done.report)
    assert line.partition("passed over ")[2] in table
    assert "\x1b" not in table


def test_a_run_with_nothing_new_says_so_on_a_dated_line(run: Run, inbox: Path) -> None:
    assert not any("nothing new" in line for line in run().said)
    (line,) = run().said
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d nothing new  drops 3  scored 2  duplicate 1", line)


def test_a_duplicate_is_said_once(run: Run, inbox: Path) -> None:
    assert re.search(r"drop \d, twin\.csv, has the bytes of drop \d, drop0\.csv, and", run().err)
    assert "has the bytes" not in run().err


def test_it_runs_without_streams_and_without_a_place_for_kernels(inbox: Path, outbox: Path, tmp_path: Path) -> None:
    (inbox / "\U0001f600 \n.csv").write_text("label,title\ntools,chisel\n")
    given = " ".join(shlex.quote(str(token)) for token in tokens(inbox, outbox))
    for streams, code in (("<&- >&- 2>&-", 0), ("2>/dev/full", 0)):
        command = f"{shlex.quote(sys.executable)} -m jobs.drops {given} {streams}"
        env = environment({"PYTHONIOENCODING": "ascii", "TMPDIR": str(tmp_path)})
        done = subprocess.run(command, shell=True, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
    assert [state for (state,) in ledger(outbox, "state")].count("scored") == 3


def test_ready_suffix(run: Run, inbox: Path, outbox: Path) -> None:
    (inbox / "drop1.csv.done").touch()
    assert run("--ready-suffix", ".done", settle_seconds=1000).report["scored"] == 1
    assert [name for (name,) in ledger(outbox, "name")] == ["drop1.csv"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--once", "--watch"], "--once and --watch: give one of them"),
        (["--max-attempts", 0], "--max-attempts 0: expected 1 or more"),
        (["--ready-suffix", ".csv"], "--ready-suffix .csv"),
        (["--ready-suffix", "done"], "--ready-suffix done: expected a suffix such as .done"),
        (["--only", "in/*.csv"], "--only in/*.csv: expected a pattern of file names"),
        (["--lease", 0], "--lease 0: expected"),
        (["--lease", "inf"], "--lease inf: expected"),
        (["--lease", "nan"], "--lease nan: expected"),
        (["--ready-suffix", ".gz"], "--ready-suffix .gz"),
        (["--metrics", "nowhere/x.prom"], "nowhere/x.prom: --metrics: its folder is not there"),
        (["--keep", "prediction"], "--keep prediction"),
    ],
)
def test_flags_that_make_no_sense(run: Run, outbox: Path, flags: list[object], message: str) -> None:
    done = run(*flags)
    assert done.code == 2
    assert message in done.error
    assert not outbox.exists()


def test_the_inbox_cannot_be_the_outbox(capsys: pytest.CaptureFixture[str], inbox: Path) -> None:
    done = call_here(capsys, "drops", *tokens(inbox, inbox))
    assert done.code == 2
    assert "it is the inbox" in done.error
    assert not (inbox / "ledger.sqlite").exists()


def test_metrics(run: Run, inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_text("other\na\n")
    path = tmp_path / "charmill.prom"
    assert run("--metrics", path).code == 65
    assert {'charmill_drops{state="scored"} 2', 'charmill_drops{state="failed"} 1'} <= set(
        path.read_text().splitlines()
    )
    assert run("--metrics", path, "--allow-failed").code == 0
    (tmp_path / "notes.txt").write_text("precious")
    assert run("--metrics", tmp_path / "notes.txt").code == 2


def test_the_inbox_and_the_run_are_only_read(run: Run, inbox: Path) -> None:
    for path in inbox.iterdir():
        path.chmod(0o444)

    def state() -> dict[Path, tuple[int, int, int]]:
        paths = [path for folder in (inbox, shared_run()) for path in (folder, *folder.rglob("*"))]
        return {path: (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_mode) for path in paths}

    before = state()
    assert run().report["scored"] == 2
    assert state() == before


def test_outputs_have_the_rights_of_the_umask(run: Run, outbox: Path) -> None:
    before = os.umask(0o027)
    try:
        run()
    finally:
        os.umask(before)
    assert {oct(path.stat().st_mode & 0o777) for path in outbox.glob("[!.]*")} == {"0o640"}


def test_all_columns_of_each_drop_are_kept(run: Run, tmp_path: Path, outbox: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.csv").write_text("id,title,label\n7,an otter,animals\n")
    (other / "b.csv").write_text("title;more\nan awl;x\n")
    (other / "c.csv").write_text("title,confidence\nan awl,high\n")
    done = run("--keep", "all", "--probabilities", "columns", inbox=other)
    assert done.code == 65
    assert "--keep all: the scores have a column 'confidence', too" in done.error
    end = ["prediction", "confidence", "p_animals", "p_plants", "p_tools"]
    names = {path.name[0]: pq.read_schema(path).names for path in outbox.glob("*.parquet")}
    assert names == {"a": ["record", "id", "title", "label", *end], "b": ["record", "title", "more", *end]}
