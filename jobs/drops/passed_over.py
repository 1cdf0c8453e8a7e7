"""What is passed over: all that lies in an inbox and is no drop, or not yet, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from pipeline.storage.endings import ENDINGS

LINK, FOLDER, SPECIAL, HIDDEN = "a link", "a folder", "no regular file", "hidden"
OTHER_ENDING = f"does not end in {' or '.join(ENDINGS)}, plain, .gz or .zst"
INCOMPLETE = "still being written"

_MOST_NAMES = 10


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """Something in the inbox that is not scored.

    Attributes:
        name: Its name as text.
        why: The reason, as it is said.
        changed_at: When it last changed, seconds since 1970 by the file system's clock.
    """

    name: str
    why: str
    changed_at: float


def describe(reasons: Mapping[str, str]) -> str:
    """How many are passed over, their names and why, as in ``3: a.txt, b.xlsx (does not end in .csv or .tsv), old (a folder)``.

    Args:
        reasons: By name.
    """
    names: dict[str, list[str]] = {}
    for name, why in islice(reasons.items(), _MOST_NAMES):
        names.setdefault(why, []).append(name)
    groups = [f"{', '.join(same)} ({why})" for why, same in names.items()]
    more = len(reasons) - _MOST_NAMES
    return f"{len(reasons):,}: {', '.join(groups)}{f', and {more:,} more' if more > 0 else ''}"
