"""Peers of the models: scikit-learn and fastText classify text in their own way, PyTorch and ONNX Runtime run the article's network.

Each `prepare` function does what is not timed and returns the call that is.
"""

import pickle
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from jobs.bench.timing import Learned, Work

BATCH_SIZES = (64, 256, 1024, 4096)
ONNX_BATCH_ROWS = 256
"""ONNX Runtime hardly minds the size of a batch; of 32 to 4,096 rows this was with the best."""

TFIDF = "scikit-learn, TF-IDF of words 1-2, logistic regression"
FASTTEXT = "fastText, words 1-2"

_TRIALS, _TRIAL_ROWS = 3, 4096
_FASTTEXT_SETTINGS: dict[str, Any] = {"lr": 0.5, "epoch": 5, "wordNgrams": 2, "dim": 10, "minCount": 1, "verbose": 0}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Texts and their label ids, for peers that do not read shards."""

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


def prepare_tfidf_predict(dataset: Path, model: Path, texts: Sequence[str]) -> Work:
    """Predict with a model trained on a dataset; it is kept in a file, and trained where that is not there yet."""
    if not model.exists():
        prepare_tfidf_fit(dataset, model)()
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


def prepare_fasttext_predict(dataset: Path, model: Path, texts: Sequence[str], num_threads: int) -> Work:
    """Predict, as fastText does in one thread, with a model trained on a dataset; it is kept in a file as that of TF-IDF is."""
    if not model.exists():
        prepare_fasttext_fit(dataset, model.with_suffix(".txt"), num_threads, model)()
    loaded = import_module("fasttext").load_model(str(model))
    return partial(_predict_fasttext, loaded, list(map(_fasttext_line, texts)))


def _predict_fasttext(model: Any, lines: list[str]) -> Any:
    """Predict lines in one call, as `predict` does, of whose two ways in the one for a single text breaks with NumPy 2."""
    return model.f.multilinePredict(lines, 1, 0.0, "strict")


def _fasttext_line(text: str) -> str:
    return " ".join(text.lower().split()) + "\n"


def _accuracy(predicted: Sequence[int], label_ids: Sequence[int]) -> float:
    num_right = sum(int(one) == label_id for one, label_id in zip(predicted, label_ids, strict=True))
    return num_right / max(1, len(label_ids))


def prepare_forward(run: Path, codes_file: Path, batch_size: int, num_threads: int, *, compiled: bool = False) -> Work:
    """Run the network in batches, on codes uint8 [N, L] in a file."""
    import torch

    torch.set_num_threads(num_threads)
    network, codes_NL = _load_network(run, codes_file)
    return partial(_forward, torch.compile(network) if compiled else network, codes_NL, batch_size)


def _load_network(run: Path, codes_file: Path) -> tuple[Any, Any]:
    import numpy as np
    import torch

    from model.architectures.registry import build_network
    from model.runs.model_file import read_model, read_weights

    model = read_model(run)
    network = build_network(model.architecture, model.profile, len(model.labels)).eval()
    network.load_state_dict({name: torch.from_numpy(np.array(w)) for name, w in read_weights(run, model).items()})
    return network, torch.from_numpy(np.load(codes_file))


def _forward(network: Any, codes_NL: Any, batch_size: int) -> None:
    import torch

    with torch.inference_mode():
        for start in range(0, len(codes_NL), batch_size):
            network(codes_NL[start : start + batch_size])


def best_batch_size(run: Path, codes_file: Path, num_threads: int) -> int:
    """The batch size at which PyTorch does most rows a second, of those that divide the rows there are."""
    import torch

    torch.set_num_threads(num_threads)
    network, codes_NL = _load_network(run, codes_file)
    codes_NL = codes_NL[:_TRIAL_ROWS]
    sizes = [size for size in BATCH_SIZES if len(codes_NL) % size == 0] or [len(codes_NL)]
    seconds: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(1 + _TRIALS):
        for size in sizes:
            started = time.perf_counter()
            _forward(network, codes_NL, size)
            seconds[size].append(time.perf_counter() - started)
    return min(sizes, key=lambda size: statistics.median(seconds[size][1:]))


def prepare_onnx(run: Path, path: Path, codes_file: Path, num_threads: int) -> Work:
    """Run the network in ONNX Runtime, in batches, from a file that jobs.export makes where there is none yet."""
    import numpy as np

    from jobs import export

    if not path.exists():
        export.run(export.ExportConfig(run, onnx=path))
    onnxruntime: Any = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    # As for everyone else's threads: those that spin while they wait cost it half its speed where other processes want the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return partial(_run_onnx, session, np.load(codes_file))


def _run_onnx(session: Any, codes_NL: Any) -> None:
    for start in range(0, len(codes_NL), ONNX_BATCH_ROWS):
        session.run(None, {"codes": codes_NL[start : start + ONNX_BATCH_ROWS]})
