"""Labels that nobody knows: the most frequent ones of a source, beside those that are known, for the message that leads on."""

from collections.abc import Mapping, Sequence

import polars as pl

_MAX_COUNTED = 100
_MAX_SHOWN = 5
_MAX_LENGTH = 40
_MANY = 0.5


def frequent_labels(labels: pl.Series) -> dict[str, int]:
    """The most frequent labels, with their counts.

    Args:
        labels: String [N], no nulls.
    """
    counts = labels.alias("label").value_counts(name="count").sort("count", "label", descending=[True, False])
    return dict(counts.head(_MAX_COUNTED).rows())


def add_unknown(counted: dict[str, int], more: Mapping[str, int]) -> None:
    """Count more labels. What comes when there are many is not counted: the column is then none of labels."""
    for label, count in more.items():
        if label in counted or len(counted) < _MAX_COUNTED:
            counted[label] = counted.get(label, 0) + count


def unknown_hint(unknown: Mapping[str, int], known: Sequence[str], who: str, *, share: float) -> str:
    """The unknown labels beside the known ones, as in ``unknown labels 'spam', 'ham'; the model knows 'a', 'b'``.

    Args:
        unknown: With their counts, at least the most frequent ones; empty gives no hint.
        known: The others.
        who: Knows them, ``model`` or ``dataset``.
        share: Of the records whose label is unknown.
    """
    if not unknown:
        return ""
    frequent = sorted(unknown, key=lambda label: (-unknown[label], label))
    question = f": a {who} of other classes, or not the label column?" if share > _MANY else ""
    plural = "s" if len(frequent) > 1 else ""
    return f"unknown label{plural} {_listed(frequent)}; the {who} knows {_listed(known)}{question}"


def _listed(labels: Sequence[str]) -> str:
    shown = [repr(label if len(label) <= _MAX_LENGTH else f"{label[:_MAX_LENGTH]}...") for label in labels]
    return ", ".join(shown[:_MAX_SHOWN]) + (" and others" if len(labels) > _MAX_SHOWN else "")
