"""Classes that a split leaves without rows to train from or to measure on, in words. Never imports Polars."""

from collections.abc import Sequence

import numpy as np

from pipeline.errors import InputError
from pipeline.inspection.count_kernel import Histogram

_NAMED_CLASSES = 3


def check_classes(where: str, labels: Sequence[str], train_K: Histogram, valid_K: Histogram) -> dict[str, str]:
    """Look for classes that cannot be learned or not be measured.

    Args:
        where: What messages call the dataset.
        labels: K names.
        train_K: int64 [K], rows to train from by class.
        valid_K: int64 [K], rows held out by class.

    Returns:
        What is amiss, with some of the classes that it concerns.

    Raises:
        InputError: Fewer than two classes have rows to train from.
    """
    learned = np.flatnonzero(train_K)
    if len(learned) < 2:
        only = f"all training rows are of class {labels[learned[0]]!r}" if len(learned) else "there is no training row"
        raise InputError(
            f"{where}: {only}, expected two classes or more; encode more rows, or with another --valid-fraction"
        )
    amiss = {
        "classes without a training row": _name(labels, train_K, valid_K, "held out"),
        "classes without a held-out row": _name(labels, valid_K, train_K, "to train from"),
    }
    return {what: classes for what, classes in amiss.items() if classes}


def _name(labels: Sequence[str], counts_K: Histogram, others_K: Histogram, others: str) -> str:
    """The largest classes without rows on one side of the split, each with its rows on the other side."""
    missing = np.flatnonzero(counts_K == 0)
    first = missing[np.argsort(-others_K[missing], kind="stable")][:_NAMED_CLASSES]
    names = ", ".join(f"{labels[index]!r} ({others_K[index]:,} {others})" for index in first)
    return f"{names} and {len(missing) - len(first):,} more" if len(missing) > len(first) else names
