"""Calibration: how far confidences are probabilities of being right, and the temperature that makes them so. Needs no torch.

N rows, K classes.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize_scalar

from model.runs.evaluation import NUM_BINS, Bin, Calibration

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
"""The limits of the search; logits that are nearly equal, or say nothing, lead there."""

_BLOCK_LOGITS = 1 << 18  # At this size the temporary arrays of a pass stay in a cache.

Logits = npt.NDArray[np.float32]
WideLabelIds = npt.NDArray[np.int64]
"""Label ids that index arrays and tensors; shards store them as uint16."""
Confidences = npt.NDArray[np.float32]


def fit_temperature(logits_NK: Logits, label_ids_N: WideLabelIds) -> float:
    """The temperature at which the cross-entropy of logits / temperature is least (Guo et al. 2017).

    As a function of 1 / temperature the cross-entropy is convex, so there is one valley. Every row counts the same, whatever its class.

    If every row is right, lower temperatures would always be better. Then confidences are raised only as far as N right rows can
    justify, to a mean of (N + 1) / (N + 2) by Laplace's rule of succession, and never lowered.

    Args:
        logits_NK: float32 [N, K], finite.
        label_ids_N: int64 [N].

    Returns:
        From `LOWEST_TEMPERATURE` to `HIGHEST_TEMPERATURE`; 1 without any row.
    """
    if not len(logits_NK):
        return 1.0
    if (logits_NK.argmax(axis=1) == label_ids_N).all():
        return _raise_to_laplace(logits_NK)
    bounds = (float(np.log(LOWEST_TEMPERATURE)), float(np.log(HIGHEST_TEMPERATURE)))

    def loss(log_temperature: float) -> float:
        return cross_entropy(logits_NK, label_ids_N, float(np.exp(log_temperature)))

    found = float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x)
    # The search never tries its bounds themselves; and where nothing is gained, temperature 1 stays.
    best = min((0.0, found, *bounds), key=loss)
    return float(np.exp(best))


def _raise_to_laplace(logits_NK: Logits) -> float:
    wanted = (len(logits_NK) + 1) / (len(logits_NK) + 2)

    def excess(log_temperature: float) -> float:
        return float(confidences(logits_NK, float(np.exp(log_temperature))).mean(dtype=np.float64)) - wanted

    lowest = float(np.log(LOWEST_TEMPERATURE))
    if excess(0.0) >= 0:
        return 1.0
    if excess(lowest) <= 0:
        return LOWEST_TEMPERATURE
    return float(np.exp(brentq(excess, lowest, 0.0, xtol=1e-6)))


def cross_entropy(logits_NK: Logits, label_ids_N: WideLabelIds, temperature: float) -> float:
    """Mean cross-entropy of logits / temperature, in nats.

    Args:
        logits_NK: float32 [N, K], at least one row.
        label_ids_N: int64 [N].
        temperature: More than 0.
    """
    total = 0.0
    for rows in _blocks(logits_NK):
        scaled_BK = logits_NK[rows].astype(np.float64)
        own_B = np.take_along_axis(scaled_BK, label_ids_N[rows, None], axis=1)
        scaled_BK -= own_B
        scaled_BK /= temperature
        highest_B = scaled_BK.max(axis=1, keepdims=True)
        sums_B = np.exp(scaled_BK - highest_B).sum(axis=1)
        total += float((np.log(sums_B) + highest_B[:, 0]).sum())
    return total / len(logits_NK)


def confidences(logits_NK: Logits, temperature: float) -> Confidences:
    """The probability of each row's most probable class, float32 [N], in the float32 arithmetic of the engines.

    Args:
        logits_NK: float32 [N, K].
        temperature: More than 0.
    """
    confidences_N = np.empty(len(logits_NK), np.float32)
    for rows in _blocks(logits_NK):
        scaled_BK = logits_NK[rows] / np.float32(temperature)
        scaled_BK -= scaled_BK.max(axis=1, keepdims=True)
        confidences_N[rows] = 1 / np.exp(scaled_BK).sum(axis=1)
    return confidences_N


def cross_fitted_confidences(logits_NK: Logits, label_ids_N: WideLabelIds) -> Confidences:
    """Confidences at temperatures fitted on other rows: even rows get the odd rows' temperature, odd rows the even rows'.

    Args:
        logits_NK: float32 [N, K].
        label_ids_N: int64 [N].

    Returns:
        float32 [N].
    """
    confidences_N = np.empty(len(logits_NK), np.float32)
    for half in (0, 1):
        temperature = fit_temperature(logits_NK[1 - half :: 2], label_ids_N[1 - half :: 2])
        confidences_N[half::2] = confidences(logits_NK[half::2], temperature)
    return confidences_N


def measure_calibration(confidences_N: Confidences, is_right_N: npt.NDArray[np.bool_]) -> Calibration:
    """Compare confidences with accuracies in `NUM_BINS` bins of equal width, each including its lower bound, the last one also 1.0.

    The expected calibration error over the bins is that of Naeini et al. 2015.

    Args:
        confidences_N: float32 [N], at least one.
        is_right_N: bool [N], whether each row's most probable class is its own.
    """
    doubles_N = confidences_N.astype(np.float64)
    bins_N = np.minimum((doubles_N * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    rows = np.bincount(bins_N, minlength=NUM_BINS)
    divisors = np.maximum(rows, 1)
    confidence = np.bincount(bins_N, weights=doubles_N, minlength=NUM_BINS) / divisors
    accuracy = np.bincount(bins_N, weights=is_right_N, minlength=NUM_BINS) / divisors
    return Calibration(
        ece=float((rows * np.abs(accuracy - confidence)).sum() / len(confidences_N)),
        bins=[
            Bin(rows=int(rows[index]), confidence=float(confidence[index]), accuracy=float(accuracy[index]))
            for index in range(NUM_BINS)
        ],
    )


def _blocks(logits_NK: Logits) -> Iterator[slice]:
    """Slices of rows."""
    num_rows = max(1, _BLOCK_LOGITS // max(1, logits_NK.shape[1]))
    return (slice(start, start + num_rows) for start in range(0, len(logits_NK), num_rows))
