"""Others who classify text: scikit-learn's TF-IDF with a logistic regression, and fastText. For jobs.bench only."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from jobs.bench.timing import Learned, Work

TFIDF = "scikit-learn, TF-IDF of words 1-2, logistic regression"
FASTTEXT = "fastText, words 1-2"

_FASTTEXT_SETTINGS: dict[str, Any] = {"lr": 0.5, "epoch": 5, "wordNgrams": 2, "dim": 10, "minCount": 1, "verbose": 0}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Texts and their label ids, for those who do not read shards."""

    texts: list[str]
    label_ids: list[int]


def read_rows(dataset: Path, split: str) -> Rows:
    """The rows of a dataset's split, as they were in the CSV."""
    import pyarrow.parquet as pq

    from pipeline.dataset.manifest import read_manifest
    from pipeline.dataset.shards import open_labels

    texts: list[str] = []
    label_ids: list[int] = []
    manifest = read_manifest(dataset)
    for shard in manifest.shards:
        if shard.split == split:
            texts += pq.read_table(dataset / shard.rows)["text"].to_pylist()
            label_ids += open_labels(dataset, shard).tolist()
    return Rows(texts=texts, label_ids=label_ids)


def prepare_tfidf_fit(dataset: Path, save_to: Path | None = None) -> Work:
    """Learn from a dataset and measure on its held-out rows; with a path, keep the model there."""
    return partial(_fit_tfidf, read_rows(dataset, "train"), read_rows(dataset, "valid"), save_to)


def _fit_tfidf(train: Rows, valid: Rows, save_to: Path | None) -> Learned:
    from model.measuring.baseline import fit_baseline, make_baseline

    model = make_baseline(len(set(train.label_ids)))
    fit_baseline(model, train.texts, train.label_ids)
    if save_to is not None:
        save_to.write_bytes(pickle.dumps(model))
    return Learned(accuracy=_accuracy(model.predict(valid.texts), valid.label_ids))


def prepare_tfidf_predict(model: Path, texts: Sequence[str]) -> Work:
    """Predict with a model that `prepare_tfidf_fit` kept."""
    return partial(pickle.loads(model.read_bytes()).predict, list(texts))  # noqa: S301  # ours, from a folder of ours


def prepare_fasttext_fit(dataset: Path, text_file: Path, num_threads: int, save_to: Path | None = None) -> Work:
    """Learn from a dataset and measure on its held-out rows; with a path, keep the model there.

    The dataset is written to text_file, in fastText's own form, before the clock starts.
    """
    train = read_rows(dataset, "train")
    pairs = zip(train.label_ids, map(_fasttext_line, train.texts), strict=True)
    text_file.write_text("".join(f"__label__{label_id} {line}" for label_id, line in pairs), encoding="utf-8")
    return partial(_fit_fasttext, text_file, read_rows(dataset, "valid"), num_threads, save_to)


def _fit_fasttext(text_file: Path, valid: Rows, num_threads: int, save_to: Path | None) -> Learned:
    model = import_module("fasttext").train_supervised(input=str(text_file), thread=num_threads, **_FASTTEXT_SETTINGS)
    if save_to is not None:
        model.save_model(str(save_to))
    labels, _ = _predict_fasttext(model, list(map(_fasttext_line, valid.texts)))
    return Learned(accuracy=_accuracy([int(best[0].removeprefix("__label__")) for best in labels], valid.label_ids))


def prepare_fasttext_predict(model: Path, texts: Sequence[str]) -> Work:
    """Predict with a model that `prepare_fasttext_fit` kept; fastText does it in one thread."""
    return partial(
        _predict_fasttext, import_module("fasttext").load_model(str(model)), list(map(_fasttext_line, texts))
    )


def _predict_fasttext(model: Any, lines: list[str]) -> Any:
    """Predict lines in one call, as `predict` does, of whose two ways in the one for a single text breaks with NumPy 2."""
    return model.f.multilinePredict(lines, 1, 0.0, "strict")


def _fasttext_line(text: str) -> str:
    return " ".join(text.lower().split()) + "\n"


def _accuracy(predicted: Sequence[int], label_ids: Sequence[int]) -> float:
    return sum(int(one) == label_id for one, label_id in zip(predicted, label_ids, strict=True)) / max(
        1, len(label_ids)
    )
