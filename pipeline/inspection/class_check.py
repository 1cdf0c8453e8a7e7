"""What makes a dataset hard to learn from or to measure on, in words: few rows, few of a class, or none. Never imports Polars."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError
from pipeline.inspection.count_kernel import Histogram

FEW_HELD_OUT = 50
"""Of so many rows, 90 % are right with an interval of 17 points."""

FEW_OF_A_CLASS = 10
_NAMED_CLASSES = 3


def check_classes(where: str, labels: Sequence[str], train_K: Histogram, valid_K: Histogram) -> list[str]:
    """Look for classes that cannot be learned or not be measured, and for figures that will say little.

    Args:
        where: What messages call the dataset.
        labels: K names.
        train_K: int64 [K], rows to train from by class.
        valid_K: int64 [K], rows held out by class.

    Returns:
        A line for all that is amiss, with some of the classes that it concerns.

    Raises:
        InputError: Fewer than two classes have rows to train from.
    """
    learned = np.flatnonzero(train_K)
    if len(learned) < 2:
        only = f"all training rows are of class {labels[learned[0]]!r}" if len(learned) else "there is no training row"
        raise InputError(
            f"{where}: {only}, expected two classes or more; encode rows of other classes too, another --label column, "
            "or with another --valid-fraction"
        )
    num_rows, num_held_out = int(train_K.sum() + valid_K.sum()), int(valid_K.sum())
    warnings = []
    if num_rows < 2 * len(labels):
        warnings.append(
            f"{num_rows:,} rows of {len(labels):,} classes are fewer than two a class: is --label the column of the class?"
        )
    if num_held_out < FEW_HELD_OUT:
        warnings.append(
            f"the accuracy will say little, since {num_held_out:,} held-out {'row is' if num_held_out == 1 else 'rows are'} "
            "few; encode more rows, or with a larger --valid-fraction"
        )
    few_K = (valid_K > 0) & (valid_K < FEW_OF_A_CLASS) & (num_held_out >= FEW_HELD_OUT)
    for what, is_meant_K, others_K, others in (
        ("without a training row", train_K == 0, valid_K, "held out"),
        ("without a held-out row", valid_K == 0, train_K, "to train from"),
        (f"with fewer than {FEW_OF_A_CLASS} held-out rows", few_K, valid_K, ""),
    ):
        if is_meant_K.any():
            warnings.append(f"classes {what}: {_name(labels, is_meant_K, others_K, others)}")
    return warnings


def _name(labels: Sequence[str], is_meant_K: npt.NDArray[np.bool_], rows_K: Histogram, where: str) -> str:
    """The largest of some classes, each with its rows."""
    meant = np.flatnonzero(is_meant_K)
    first = meant[np.argsort(-rows_K[meant], kind="stable")][:_NAMED_CLASSES]
    names = ", ".join(f"{labels[index]!r} ({rows_K[index]:,}{' ' if where else ''}{where})" for index in first)
    return f"{names} and {len(meant) - len(first):,} more" if len(meant) > len(first) else names
