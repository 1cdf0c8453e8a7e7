"""``charmill drops status``: the ledger of an outbox as a table or as JSON."""

import os
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from jobs.cli.flags import ShownConfig
from jobs.cli.help import INPUT, OUTPUT
from jobs.drops.failures import Failure, short_reason
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from jobs.drops.ledger.schema import Drop

_NAME_WIDTH = 60


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class StatusConfig:
    """Show what became of the drops of an outbox: a line each, or with --json the whole ledger.

    Examples:
        drops status --outbox data/outbox
        drops status --outbox data/outbox --failed
    """

    outbox: Annotated[Path, INPUT, Parameter(metavar="DIR")]
    "The folder that drops writes to."
    last: Annotated[int, OUTPUT] = 30
    "Drops to show, the latest ones; 0 for all."
    failed: Annotated[bool, OUTPUT] = False
    "Show only drops that stand failed, with the reason in full and what to do."
    common: ShownConfig = field(default_factory=ShownConfig)

    def __post_init__(self) -> None:
        if self.last < 0:
            raise UsageError(f"--last {self.last}: expected 0 or more")


def run(config: StatusConfig) -> dict[str, Any]:
    """Read the ledger.

    Raises:
        UsageError: There is no such folder.
        CharmillError: The ledger cannot be read.
    """
    from jobs.drops.ledger.database import LEDGER, Database
    from jobs.drops.ledger.ledger import Ledger
    from jobs.drops.ledger.schema import FAILED, REPLACED, SCORED, STATES, StateTotals
    from pipeline.storage.source import as_text

    if not config.outbox.is_dir():
        raise UsageError(
            f"{config.outbox}: there is no such folder; --outbox names that of charmill drops", path=config.outbox
        )
    drops, totals = [], dict.fromkeys(STATES, StateTotals())
    names: dict[str, list[str]] = {}  # Of the inbox's files, by content.
    if (config.outbox / LEDGER).exists():
        with closing(Database(config.outbox, read_only=True)) as database:
            ledger = Ledger(database)
            drops, totals = ledger.drops(), ledger.totals()
            for name, (_, sha256) in sorted(ledger.hashed_files().items()):
                names.setdefault(sha256, []).append(as_text(os.fsdecode(name)))
    now = time.time()
    scored, last = totals[SCORED], max(totals[state].last or 0.0 for state in (SCORED, REPLACED))

    def more(drop: "Drop") -> dict[str, Any]:
        """What is known of a drop beside the ledger's columns."""
        if drop.state == SCORED:
            return {"scores_missing": not (config.outbox / drop.scores).exists()}
        if drop.state != FAILED:
            return {}
        held_by = names.get(drop.sha256, [])
        failure = Failure(drop, drop.name if drop.name in held_by or not held_by else held_by[0])
        return {"called": failure.called, "next_step": failure.next_step}

    return {
        "rows_in": scored.rows_in,
        "rows_out": scored.rows_scored,
        "rows_quarantined": scored.rows_quarantined,
        "states": {state: count.drops for state, count in totals.items()},
        "scored_files": len({drop.sha256 for drop in drops if drop.state == SCORED}),
        "seconds_since_success": round(now - last, 3) if last else None,
        "drops": [
            asdict(drop) | {"age_seconds": round(now - drop.seen_at, 3)} | more(drop)
            for drop in drops
            if drop.state == FAILED or not config.failed
        ],
        "last": config.last,
        "only_failed": config.failed,
    }


def render(report: dict[str, Any]) -> str:
    """The report as text."""
    from jobs.cli.console import columns, one_line, table

    shown = report["drops"][-report["last"] :]
    lines = [
        {
            "drop": drop["id"],
            "file": _short(one_line(drop["name"]), _NAME_WIDTH),
            "state": drop["state"],
            # Of scored drops alone, so that what stands below is the sum.
            "rows in": drop["rows_in"] if drop["state"] == "scored" else None,
            "scored": drop["rows_scored"] if drop["state"] == "scored" else None,
            "quarantined": drop["rows_quarantined"] if drop["state"] == "scored" else None,
            "model": drop["model"][:8],
            "age": _age(drop["age_seconds"]),
            "remark": one_line(_remark(drop)),
        }
        for drop in shown
    ]
    since = report["seconds_since_success"]
    left_out = len(report["drops"]) - len(shown)
    is_twice = report["scored_files"] < report["states"]["scored"]
    several = " (a file counts once for each model that scored it)" if is_twice else ""
    summary = {
        "drops": ", ".join(f"{state} {count:,}" for state, count in report["states"].items() if count) or "none",
        "rows in": f"{report['rows_in']:,}{several}",
        "rows scored": report["rows_out"],
        "rows quarantined": report["rows_quarantined"],
        "last success": "never" if since is None else f"{_age(since)} ago",
    }
    more = [f"({left_out:,} earlier drops; --last 0 shows all)", ""] if left_out else [""] if lines else []
    if report["only_failed"]:
        head = [_failure(drop) for drop in shown] or ["no drop stands failed", ""]
    else:
        head = [columns(lines)] if lines else []
        more = ["(--failed says why in full, and what to do)", *more] if report["states"]["failed"] else more
    return "\n".join([*head, *more, table(summary)])


def _failure(drop: dict[str, Any]) -> str:
    """All that one wants to know of a drop that stands failed, on three lines."""
    from jobs.cli.console import one_line

    attempts = f", attempt {drop['attempts']}" if drop["attempts"] > 1 else ""
    when = f"{datetime.fromtimestamp(drop['finished_at']):%Y-%m-%d %H:%M:%S}"
    said = [
        f"{drop['called']}, failed {when}{attempts}",
        f"  why   {drop['error']}",
        f"  next  {drop['next_step']}",
    ]
    return "\n".join(map(one_line, said))


def _remark(drop: dict[str, Any]) -> str:
    if drop["error"]:
        attempts = f" (attempt {drop['attempts']})" if drop["attempts"] > 1 else ""
        return f"{short_reason(drop['error'])}{attempts}"
    if drop["duplicate_of"] is not None:
        return f"the same bytes as drop {drop['duplicate_of']}"
    if drop["state"] == "replaced":
        return "scored again since"
    missing = " is missing; --rescore makes it again" if drop.get("scores_missing") else ""
    return f"{drop['scores']}{missing}"


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
