"""Accuracies in a command's report: as fields for machines, and as people read them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from model.runs.accuracy import Accuracy

if TYPE_CHECKING:
    from model.scoring.run import Scores


def accuracy_fields(name: str, accuracy: Accuracy | None) -> dict[str, Any]:
    """What a report has of an accuracy: ``name``, ``name_interval`` and ``name_rows``; null where there is none."""
    if accuracy is None:
        return {name: None, f"{name}_interval": None, f"{name}_rows": 0}
    return {name: accuracy.share, f"{name}_interval": [accuracy.low, accuracy.high], f"{name}_rows": accuracy.rows}


def accuracy_text(report: Mapping[str, Any], name: str) -> str:
    """What `accuracy_fields` made, as ``87.22% (86.3 to 88.1, 5,103 rows)``; empty where there is none."""
    if report.get(name) is None:
        return ""
    low, high = report[f"{name}_interval"]
    return str(Accuracy(share=report[name], low=low, high=high, rows=report[f"{name}_rows"]))


def scores_fields(scores: "Scores", *, has_threshold: bool) -> dict[str, Any]:
    """What a report has of scores with true classes; of rows that abstain only where there is a threshold."""
    tally = scores.tally
    fields = accuracy_fields("accuracy", scores.accuracy)
    fields |= {"macro_f1": tally.macro_f1 if tally else None}
    fields |= {"rows_told": tally.told if tally else 0, "rows_seen": tally.seen if tally else 0}
    fields |= accuracy_fields("accuracy_unseen", tally.accuracy_unseen if tally else None)
    if has_threshold:
        fields |= accuracy_fields("accuracy_kept", scores.accuracy_kept)
        fields |= accuracy_fields("accuracy_kept_unseen", tally.accuracy_kept_unseen if tally else None)
    return fields


def scores_rows(report: Mapping[str, Any]) -> dict[str, str]:
    """What `scores_fields` made, as rows of a table; none without a true class."""
    if report.get("accuracy") is None:
        return {}
    told, seen, kept = report["rows_told"], report["rows_seen"], accuracy_text(report, "accuracy_kept")
    rows = {"accuracy": accuracy_text(report, "accuracy"), "  without those abstained": kept}
    if seen:
        is_sample = told < report["accuracy_rows"]
        rows["  rows also in training"] = (
            f"about {seen / told:.0%}, judged by {told:,} rows" if is_sample else f"{seen:,}"
        )
        rows["  without those in training"] = accuracy_text(report, "accuracy_unseen") or "no row is left"
        rows["  without either"] = accuracy_text(report, "accuracy_kept_unseen") or ("no row is left" if kept else "")
    rows["macro-F1"] = f"{report['macro_f1']:.4f}"
    return {name: shown for name, shown in rows.items() if shown}
