"""The state of the drops in Prometheus' text format, for its node exporter's textfile collector or a web server."""

import time
from collections.abc import Mapping
from pathlib import Path

from jobs.drops.ledger.schema import REPLACED, SCORED, StateTotals
from pipeline.errors import UsageError
from pipeline.storage.durable import replace_file

_FIRST_LINE = "# HELP charmill_drops "


def metrics_text(totals: Mapping[str, StateTotals], now: float) -> str:
    """The metrics.

    Args:
        totals: Of the ledger, by state.
        now: Seconds since 1970.
    """
    scored, replaced = totals[SCORED], totals[REPLACED]  # What was once counted stays so: counters do not fall.
    lines = [f"{_FIRST_LINE}Drops by state.", "# TYPE charmill_drops gauge"]
    lines += [f'charmill_drops{{state="{state}"}} {count.drops}' for state, count in totals.items()]
    lines += _metric("rows_scored_total", "counter", "Rows scored.", scored.rows_scored + replaced.rows_scored)
    num_quarantined = scored.rows_quarantined + replaced.rows_quarantined
    lines += _metric("rows_quarantined_total", "counter", "Rows quarantined in scored drops.", num_quarantined)
    if scored.last is not None:
        lines += _metric(
            "last_success_timestamp_seconds", "gauge", "When a drop was last scored.", round(scored.last, 3)
        )
        since = round(max(0.0, now - scored.last), 3)
        lines += _metric("seconds_since_last_success", "gauge", "The same, seen from when this was written.", since)
    lines += _metric("metrics_timestamp_seconds", "gauge", "When this was written.", round(now, 3))
    return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, help_text: str, value: float) -> list[str]:
    return [f"# HELP charmill_{name} {help_text}", f"# TYPE charmill_{name} {kind}", f"charmill_{name} {value}"]


class MetricsFile:
    """A file that each writing replaces whole.

    Args:
        path: The file.
        overwrite: It may be something else than metrics.

    Raises:
        UsageError: The path is a folder or another file, or its folder is missing.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self._path = path
        if path.is_dir():
            raise UsageError(f"{path}: it is a folder; --metrics names a file", path=path)
        if not path.absolute().parent.is_dir():
            raise UsageError(f"{path}: --metrics: its folder is not there; make it, or name another file", path=path)
        if path.exists() and not overwrite and path.stat().st_size:
            with path.open("rb") as file:
                if file.read(len(_FIRST_LINE)) != _FIRST_LINE.encode():
                    raise UsageError(
                        f"{path}: --metrics would replace it, but it is something else; name another file", path=path
                    )

    def write(self, totals: Mapping[str, StateTotals]) -> None:
        """Write the metrics of now.

        Raises:
            CharmillError: The disk is full, or the folder may not be written.
        """
        text = metrics_text(totals, time.time())
        replace_file(self._path, lambda file: file.write(text.encode()), is_shared=True)
