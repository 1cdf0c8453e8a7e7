"""Macro-F1, told beside an accuracy: it falls where rare classes are neglected, which accuracy hardly notices."""

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


def macro_f1(right_K: Counts, true_K: Counts, predicted_K: Counts) -> float:
    """The mean over classes of F1, in which a rare class counts as much as a frequent one.

    As scikit-learn's `f1_score(average="macro", zero_division=0)`: a class that no row has and none was taken for does not count, and one
    that only occurs on one side counts 0.

    Args:
        right_K: int64 [K], rows of each class that were taken for it.
        true_K: int64 [K], rows of each class.
        predicted_K: int64 [K], rows that were taken for each class.

    Returns:
        From 0 to 1; 0 without any row.
    """
    occurring_K = true_K + predicted_K
    return float((2 * right_K[occurring_K > 0] / occurring_K[occurring_K > 0]).mean()) if occurring_K.any() else 0.0
