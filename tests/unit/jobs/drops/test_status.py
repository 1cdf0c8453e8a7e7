"""The command `charmill drops status`."""

import re
from datetime import datetime
from pathlib import Path

import pytest

from jobs.drops.status import StatusConfig, render, run
from pipeline.errors import CharmillError, UsageError
from tests.commands import call
from tests.drops import fill, score_drops


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
    assert "3 earlier drops" in render(report | {"last": 1})


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
