"""Class weights: how much each class counts in the training loss. Needs no torch. K classes."""

import numpy as np
import numpy.typing as npt

from pipeline.inspection.count_kernel import Histogram


def balanced_weights(rows_K: Histogram) -> npt.NDArray[np.float32]:
    """Weights that let each class count as much as any other: n / (K n_k), after King and Zeng, "Logistic Regression in Rare Events Data".

    In the formula, K counts only classes with training rows; a class without any gets weight 0, which no row uses.

    Args:
        rows_K: int64 [K], training rows by class.

    Returns:
        float32 [K], owned by the caller; their mean over the training rows is 1.
    """
    present = rows_K > 0
    weights_K = np.zeros(len(rows_K), dtype=np.float32)
    weights_K[present] = rows_K.sum() / (present.sum() * rows_K[present])
    return weights_K
