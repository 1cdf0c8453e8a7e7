"""Class weights: how much each class counts in the training loss. Needs no torch. K classes."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.dataset.manifest import TRAIN, Manifest
from pipeline.inspection.histogram import count_classes


def balanced_weights(folder: Path, manifest: Manifest) -> npt.NDArray[np.float32]:
    """Weights that let each class count as much as any other: n / (K n_k), after King and Zeng, "Logistic Regression in Rare Events Data".

    In the formula, K counts only classes with training rows; a class without any gets weight 0, which no row uses.

    Args:
        folder: A dataset.
        manifest: Its manifest.

    Returns:
        float32 [K], owned by the caller; their mean over the training rows is 1.
    """
    counts = count_classes(folder, manifest, TRAIN)
    present = counts > 0
    weights = np.zeros(len(counts), dtype=np.float32)
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights
