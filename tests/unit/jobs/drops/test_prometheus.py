"""The metrics file: its figures, and what it may replace."""

import re
from pathlib import Path

import pytest

from jobs.drops.ledger.schema import STATES, StateTotals
from jobs.drops.prometheus import MetricsFile
from pipeline.errors import UsageError

TOTALS = dict.fromkeys(STATES, StateTotals()) | {
    "scored": StateTotals(2, 122, 120, 2, last=1000.25),
    "failed": StateTotals(1),
}


def test_metrics(tmp_path: Path) -> None:
    path = tmp_path / "charmill.prom"
    MetricsFile(path, overwrite=False).write(TOTALS)
    text = path.read_text()
    values = dict(re.findall(r"^(charmill_\S+) (\S+)$", text, re.MULTILINE))
    assert values['charmill_drops{state="scored"}'] == "2"
    assert values['charmill_drops{state="failed"}'] == "1"
    assert values['charmill_drops{state="waiting"}'] == "0"
    assert values["charmill_rows_scored_total"] == "120"
    assert values["charmill_rows_quarantined_total"] == "2"
    assert values["charmill_last_success_timestamp_seconds"] == "1000.25"
    now = float(values["charmill_metrics_timestamp_seconds"])
    assert float(values["charmill_seconds_since_last_success"]) == pytest.approx(now - 1000.25, abs=0.01)
    assert text.count("# TYPE") == text.count("# HELP") == len({name.partition("{")[0] for name in values})
    MetricsFile(path, overwrite=False).write(TOTALS | {"scored": StateTotals()})
    assert "last_success" not in path.read_text()


def test_something_else_is_not_replaced(tmp_path: Path) -> None:
    foreign = tmp_path / "notes.txt"
    foreign.write_text("precious")
    for path, message in (
        (foreign, "it is something else"),
        (tmp_path, "it is a folder"),
        (tmp_path / "nowhere" / "x.prom", "its folder is not there"),
    ):
        with pytest.raises(UsageError, match=message):
            MetricsFile(path, overwrite=False)
    assert foreign.read_text() == "precious"
    MetricsFile(foreign, overwrite=True).write(TOTALS)
    assert foreign.read_text().startswith("# HELP charmill_drops")
