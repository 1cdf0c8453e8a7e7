"""Failures: what is said of drops that stand failed, until they are scored or their files are changed or taken away."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from jobs.drops.ledger.schema import Drop
from pipeline.errors import InputError

_MOST_REASONS = 3


def describe(failed: Sequence[Drop], outbox: Path) -> str:
    """How many drops stand failed, the first reasons, and what tries them again, in one line.

    Args:
        failed: At least one drop, in order.
        outbox: Its ledger has them.
    """
    if len(failed) == 1:
        return f"{failed[0].called}, stands failed: {failed[0].error}; {next_step(failed[0])}"
    same: dict[str, list[Drop]] = {}
    for drop in failed:
        same.setdefault(short_reason(drop.error), []).append(drop)
    groups = list(same.items())
    said = [
        f"{reason} ({drops[0].called}{f', and {len(drops) - 1:,} more' if len(drops) > 1 else ''})"
        for reason, drops in groups[:_MOST_REASONS]
    ]
    if others := sum(len(drops) for _, drops in groups[_MOST_REASONS:]):
        said.append(f"{others:,} for other reasons")
    return (
        f"{len(failed):,} drops stand failed: {'; '.join(said)}; {where_listed(outbox)}; they are tried again when the flags "
        "or their files are mended, or with --retry-failed, and no longer count once their files leave the inbox"
    )


def where_listed(outbox: Path) -> str:
    """The command that says more."""
    return f"charmill drops status --failed --outbox {shlex.quote(str(outbox))} says why"


def short_reason(error: str) -> str:
    """What is wrong, without what to do about it."""
    return error.partition("; ")[0]


def next_step(drop: Drop) -> str:
    """What to do about a drop that failed."""
    if drop.exit_code != InputError.exit_code:
        return "the next run tries it again"
    return (
        "it is tried again when the flags or its file are mended, or with --retry-failed, and no longer counts once "
        "its file leaves the inbox"
    )
