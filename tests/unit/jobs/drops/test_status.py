"""The command `charmill drops status`."""

import json
import re
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from jobs.drops.status import StatusConfig, render, run
from pipeline.errors import CharmillError, UsageError
from tests.commands import call, run_here
from tests.datasets import shared_run
from tests.drops import fill, score_drops, tokens


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """Of four drops: two scored, a duplicate, and one that cannot be."""
    inbox = fill(tmp_path / "in", num_drops=2)
    (inbox / "a\x1b[31m.csv").write_text("other\na\n")
    with pytest.raises(CharmillError, match="there is no column 'title'"):
        score_drops(inbox, tmp_path / "out")
    return tmp_path / "out"


def test_status(outbox: Path) -> None:
    report = run(StatusConfig(outbox=outbox))
    assert (report["rows_in"], report["rows_out"], report["rows_quarantined"]) == (122, 120, 2)
    assert {state: count for state, count in report["states"].items() if count} == {
        "scored": 2,
        "failed": 1,
        "duplicate": 1,
    }
    assert {drop["state"] for drop in report["drops"]} == {"scored", "failed", "duplicate"}
    shown = render(report)
    assert "\x1b" not in shown
    assert "the same bytes as drop" in shown
    assert re.search(r"^ +\d  drop1\.csv +scored +61 +60 +1 ", shown, re.MULTILINE)
    assert "there is no column 'title' for --text\n" in shown
    assert "--failed says why in full" in shown
    assert re.search(r"^ +\d  a\ufffd\[31m\.csv +failed +-  +-  +-  ", shown, re.MULTILINE)
    assert "3 earlier drops" in render(report | {"last": 1})


def test_scores_that_are_missing(outbox: Path) -> None:
    next(path for path in outbox.glob("drop1-*.parquet") if "quarantine" not in path.name).unlink()
    report = run(StatusConfig(outbox=outbox))
    assert [drop["name"] for drop in report["drops"] if drop.get("scores_missing")] == ["drop1.csv"]
    assert re.search(r"drop1\.csv .*drop1-\w+-\w+\.parquet is missing; --rescore makes it again", render(report))


def test_a_file_that_was_scored_again_counts_once_for_each_model(outbox: Path, tmp_path: Path) -> None:
    score_drops(tmp_path / "in", outbox, "--rescore", "--keep", "title", "--allow-failed")
    report = run(StatusConfig(outbox=outbox))
    assert (report["rows_in"], report["states"]["replaced"]) == (122, 2)
    shown = render(report)
    assert re.search(r"drop1\.csv +replaced +- .* scored again since$", shown, re.MULTILINE)
    assert "a file counts once" not in shown
    other = shutil.copytree(shared_run(), tmp_path / "run")
    model = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps(model | {"temperature": 2.0}))
    run_here("drops", *tokens(tmp_path / "in", outbox, "--rescore", "--allow-failed", run=other))
    assert "244 (a file counts once for each model that scored it)" in render(run(StatusConfig(outbox=outbox)))


def test_failed_drops_alone(outbox: Path) -> None:
    report = run(StatusConfig(outbox=outbox, failed=True))
    (drop,) = report["drops"]
    assert drop["state"] == "failed"
    shown = render(report)
    when = datetime.fromtimestamp(drop["finished_at"]).isoformat(" ", "seconds")
    assert shown.startswith(f"drop {drop['id']}, a\ufffd[31m.csv, failed {when}\n")
    assert f"\n  why   {drop['error']}\n  next  it is tried again when" in shown
    assert "the columns are 'other'" in drop["error"]
    assert "drop1.csv" not in shown
    assert "no drop stands failed" in render(run(StatusConfig(outbox=outbox.parent, failed=True)))


def test_status_as_a_command(outbox: Path) -> None:
    done = call("drops", "status", "--outbox", outbox, "--json")
    assert done.code == 0
    assert len(done.report["drops"]) == 4


def test_an_outbox_that_is_not_there_or_has_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such folder"):
        run(StatusConfig(outbox=tmp_path / "nowhere"))
    assert "none" in render(run(StatusConfig(outbox=tmp_path)))
    assert list(tmp_path.iterdir()) == []
