"""The evaluation of a run: all figures of `evaluation.json`, derived from a network's logits on the held-out rows. Needs no torch.

N held-out rows, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.measuring.baseline import spaced_rows
from model.measuring.calibration import (
    Confidences,
    Logits,
    WideLabelIds,
    confidences,
    cross_entropy,
    cross_fitted_confidences,
    fit_temperature,
    measure_calibration,
)
from model.measuring.coverage import coverage_curve, find_targets
from model.runs.accuracy import Accuracy, accuracy_of
from model.runs.evaluation import Baseline, Layer, Mistake, RunEvaluation, Seen, SourceRows
from model.runs.macro_f1 import macro_f1
from pipeline.dataset.manifest import TRAIN, VALID, Manifest
from pipeline.dataset.row_texts import Rows, read_rows
from pipeline.inspection.duplicates import SeenRows
from pipeline.inspection.histogram import character_names, count_split

TARGET_ACCURACIES = (0.95, 0.99)
MAX_MISTAKES = 25
MAX_LOGITS = 1 << 26
"""256 MiB. Where the held-out rows have more logits, evenly spaced rows are measured: with four classes from 16 million rows on."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Held-out rows, and the logits that a network gives them.

    Attributes:
        rows: int64 [N], their numbers among all held-out rows, rising.
        logits: float32 [N, K].
        label_ids: int64 [N].
    """

    rows: Rows
    logits: Logits
    label_ids: WideLabelIds


def choose_rows(manifest: Manifest, max_logits: int = MAX_LOGITS) -> Rows:
    """The held-out rows to measure on, int64 [N], rising: all of them, or evenly spaced ones with no more logits than that."""
    return spaced_rows(manifest.num_rows(VALID), max(1, max_logits // len(manifest.labels)))


def make_evaluation(
    folder: Path,
    manifest: Manifest,
    held_out: HeldOut,
    seen: SeenRows,
    *,
    baseline: Baseline | None,
    layers: Sequence[Layer],
) -> RunEvaluation:
    """Derive all figures of a run's evaluation.

    Args:
        folder: The dataset.
        manifest: Its manifest.
        held_out: The rows and their logits.
        seen: Which held-out rows are also among the training rows.
        baseline: Measured on the same rows.
        layers: Of the network.
    """
    logits_NK, label_ids_N, num_classes = held_out.logits, held_out.label_ids, len(manifest.labels)
    temperature = fit_temperature(logits_NK, label_ids_N)
    predicted_N = logits_NK.argmax(axis=1)
    is_right_N = predicted_N == label_ids_N
    confidences_N = confidences(logits_NK, temperature)
    train, valid = count_split(folder, manifest, TRAIN), count_split(folder, manifest, VALID)
    names = character_names(manifest.profile)
    confusion_KK = _confusion(label_ids_N, predicted_N, num_classes)
    return RunEvaluation(
        labels=manifest.labels,
        dataset=str(folder),
        sources=[SourceRows(name=source.name, rows=source.rows) for source in manifest.sources],
        rows_train=manifest.num_rows(TRAIN),
        accuracy=_accuracy(is_right_N),
        macro_f1=macro_f1(confusion_KK.diagonal(), confusion_KK.sum(axis=1), confusion_KK.sum(axis=0)),
        loss=cross_entropy(logits_NK, label_ids_N, temperature),
        loss_uncalibrated=cross_entropy(logits_NK, label_ids_N, 1.0),
        temperature=temperature,
        confusion=confusion_KK.tolist(),
        calibrated=measure_calibration(cross_fitted_confidences(logits_NK, label_ids_N), is_right_N),
        uncalibrated=measure_calibration(confidences(logits_NK, 1.0), is_right_N),
        coverage=coverage_curve(confidences_N, is_right_N),
        targets=find_targets(TARGET_ACCURACIES, confidences_N, is_right_N, temperature=temperature),
        lengths_train=train.lengths.tolist(),
        lengths_valid=valid.lengths.tolist(),
        characters=list(zip(names, train.codes[: len(names)].tolist(), strict=True)),
        mistakes=_worst_mistakes(folder, manifest, held_out, predicted_N, confidences_N),
        seen=_measure_seen(seen, held_out.rows, is_right_N),
        baseline=baseline,
        layers=list(layers),
    )


def _confusion(label_ids_N: WideLabelIds, predicted_N: npt.NDArray[np.intp], num_classes: int) -> npt.NDArray[np.int64]:
    pairs = np.bincount(label_ids_N * num_classes + predicted_N, minlength=num_classes**2)
    return pairs.reshape(num_classes, num_classes)


def _accuracy(is_right_N: npt.NDArray[np.bool_]) -> Accuracy:
    return accuracy_of(int(is_right_N.sum()), len(is_right_N))


def _measure_seen(seen: SeenRows, rows_N: Rows, is_right_N: npt.NDArray[np.bool_]) -> Seen:
    by_codes_N = seen.by_codes[rows_N]
    return Seen(
        rows=int(seen.by_text[rows_N].sum()),
        rows_as_codes=int(by_codes_N.sum()),
        accuracy=_accuracy(is_right_N[by_codes_N]) if by_codes_N.any() else None,
        accuracy_without=_accuracy(is_right_N[~by_codes_N]) if not by_codes_N.all() else None,
    )


def _worst_mistakes(
    folder: Path,
    manifest: Manifest,
    held_out: HeldOut,
    predicted_N: npt.NDArray[np.intp],
    confidences_N: Confidences,
) -> list[Mistake]:
    """The most confident ones first; of equal confidence, the first row first."""
    wrong = np.flatnonzero(predicted_N != held_out.label_ids)
    worst = np.sort(wrong[np.argsort(-confidences_N[wrong], kind="stable")[:MAX_MISTAKES]])
    shards = [shard for shard in manifest.shards if shard.split == VALID]
    columns = ["source", "record", "text"]
    records = [
        record
        for table in read_rows(folder, shards, held_out.rows[worst], columns)
        for record in zip(*(table[name].to_pylist() for name in columns), strict=True)
    ]
    mistakes = [
        Mistake(
            source=source,
            record=record,
            text=text,
            label=manifest.labels[held_out.label_ids[row]],
            prediction=manifest.labels[predicted_N[row]],
            confidence=float(confidences_N[row]),
        )
        for row, (source, record, text) in zip(worst.tolist(), records, strict=True)
    ]
    return sorted(mistakes, key=lambda mistake: -mistake.confidence)
