"""What each class counts for in the training loss. Needs no torch. K classes."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.dataset.manifest import TRAIN, Manifest
from pipeline.inspection.histogram import count_classes


def balanced_weights(folder: Path, manifest: Manifest) -> npt.NDArray[np.float32]:
    """Weights that let each class count as much as any other: n / (K n_k), after King and Zeng, "Logistic Regression in Rare Events Data".

    K is the number of classes that training rows have; one that has none counts nothing, as no row would ask for its weight.

    Args:
        folder: A dataset.
        manifest: Its manifest.

    Returns:
        Float32 [K], owned by the caller; over the training rows they are 1 in the mean.
    """
    counts = count_classes(folder, manifest, TRAIN)
    present = counts > 0
    weights = np.zeros(len(counts), dtype=np.float32)
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights
