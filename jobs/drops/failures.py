"""Failures: what is said of drops that stand failed, until they are scored or their files are changed or taken away."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from jobs.drops.ledger.schema import Drop
from pipeline.errors import InputError

_MOST_REASONS = 3


@dataclass(frozen=True)
class Failure:
    """A drop that stands failed.

    Attributes:
        drop: The drop.
        name: What a file with its bytes is called now, which may be another name than the drop's.
    """

    drop: Drop
    name: str

    @property
    def called(self) -> str:
        """What messages call it, as in ``drop 12, tue.csv (now wed.csv)``."""
        return f"{self.drop.called} (now {self.name})" if self.name != self.drop.name else self.drop.called

    @property
    def next_step(self) -> str:
        """What to do about it."""
        if self.drop.exit_code != InputError.exit_code:
            return "the next run tries it again"
        return (
            f"it is tried again when the flags (with --only {shlex.quote(escape(self.name))} where they fit this file alone) "
            "or its file are mended, or with --retry-failed, and no longer counts once its file leaves the inbox"
        )


def describe(failed: Sequence[Failure], outbox: Path) -> str:
    """How many drops stand failed, the first reasons, and what tries them again, in one line.

    Args:
        failed: At least one, in order.
        outbox: Its ledger has them.
    """
    if len(failed) == 1:
        return f"{failed[0].called}, stands failed: {failed[0].drop.error}; {failed[0].next_step}"
    same: dict[str, list[Failure]] = {}
    for failure in failed:
        same.setdefault(short_reason(failure.drop.error), []).append(failure)
    groups = list(same.items())
    said = [
        f"{reason} ({alike[0].called}{f', and {len(alike) - 1:,} more' if len(alike) > 1 else ''})"
        for reason, alike in groups[:_MOST_REASONS]
    ]
    if others := sum(len(alike) for _, alike in groups[_MOST_REASONS:]):
        said.append(f"{others:,} for other reasons")
    return (
        f"{len(failed):,} drops stand failed: {'; '.join(said)}; {where_listed(outbox)}; they are tried again when the flags "
        "(with --only PATTERN where they fit some files alone) or their files are mended, or with --retry-failed, and no "
        "longer count once their files leave the inbox"
    )


def where_listed(outbox: Path) -> str:
    """The command that says more."""
    return f"charmill drops status --failed --outbox {shlex.quote(str(outbox))} says why"


def short_reason(error: str) -> str:
    """What is wrong, without what to do about it."""
    return error.partition("; ")[0]
