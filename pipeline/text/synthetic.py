"""Made-up titles in four classes: the sample that ships with the project, and input of any size for tests and benchmarks.

Ours from the first word, so it may be committed and shared. A tenth of the titles is worded so that its class cannot be told, which
keeps a perfect score out of reach.
"""

import csv
import random
from collections.abc import Iterator
from pathlib import Path

LABELS = ("world", "sports", "business", "science")
HEADER = ("label", "title")

_WHO = {
    "world": (
        "Border envoys",
        "The foreign minister",
        "Harbour mayors",
        "Aid convoys",
        "Island voters",
        "The peace mission",
    ),
    "sports": (
        "The Falcons",
        "Reserve goalkeeper Lund",
        "Veteran sprinter Osei",
        "The home side",
        "Rowing crews",
        "Coach Marchetti",
    ),
    "business": (
        "Copper traders",
        "The parcel carrier",
        "Shipyard shareholders",
        "A rival grocer",
        "Bond buyers",
        "The airline",
    ),
    "science": (
        "Glacier researchers",
        "A lunar probe",
        "Chip designers",
        "The telescope team",
        "Bee geneticists",
        "Open-source coders",
    ),
}
_DOES = {
    "world": (
        "sign a truce",
        "recall the ambassador",
        "reopen the crossing",
        "dispute the ballot",
        "call for talks",
        "meet in exile",
    ),
    "sports": (
        "win in extra time",
        "break the lap record",
        "lose the final set",
        "draw 2-2 away",
        "sign until summer",
        "miss the cup",
    ),
    "business": (
        "cut the forecast",
        "bid $3.2 billion",
        "raise prices 4%",
        "post a quarterly loss",
        "list in Oslo",
        "drop the merger",
    ),
    "science": (
        "map the genome",
        "patch a security hole",
        "spot a new moon",
        "test a qubit",
        "model the ice melt",
        "ship a beta",
    ),
}
_WHERE = (
    "after a long night",
    "in the north",
    "before winter",
    "for the second time",
    'amid "quiet optimism"',
    "at last",
    "again, sources say",
)
_ANYONE = ("Insiders", "Officials", "Experts", "Locals")
_ANYTHING = ("wait for news", "are divided", "hope for more", "look back on the year")


def titles(num_rows: int, seed: int) -> Iterator[tuple[str, str]]:
    """Yield (label, title), the same for the same arguments.

    Args:
        num_rows: How many.
        seed: Of the choices.
    """
    choose = random.Random(seed)  # noqa: S311  # not a secret
    for _ in range(num_rows):
        label = choose.choice(LABELS)
        if choose.random() < 0.1:
            who, does = choose.choice(_ANYONE), choose.choice(_ANYTHING)
        else:
            who, does = choose.choice(_WHO[label]), choose.choice(_DOES[label])
        yield label, f"{who} {does} {choose.choice(_WHERE)}"


def write_titles(path: Path, num_rows: int, seed: int) -> None:
    """Write titles as a CSV with the header `HEADER`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(titles(num_rows, seed))
