"""Scoring: the default model beside other classifiers, the article's network beside others that run it."""

from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from math import prod
from pathlib import Path
from typing import Any

from jobs import score
from jobs.bench.data import Data, make_data
from jobs.bench.encode import read_polars
from jobs.bench.peers import (
    FASTTEXT,
    ONNX_BATCH_ROWS,
    TFIDF,
    best_batch_size,
    prepare_fasttext_predict,
    prepare_forward,
    prepare_onnx,
    prepare_tfidf_predict,
    read_rows,
)
from jobs.bench.setup import PROFILE_OF, Setup, make_dataset, make_run, make_sample, ready
from jobs.bench.timing import Contestant, Section, Work
from jobs.cli.scoring_flags import ScoringConfig

ARTICLE_ROWS = 50_000
"""Rows of the CSV that the article's network scores at most."""

_MOST_IN_MEMORY = 14  # As a power of two: the network alone takes seconds for so many rows.
_MATRIX = 1024
"""Rows and columns of a product: large enough for NumPy to come near its best."""


def score_sections(setup: Setup) -> list[Section]:
    """The default model, and the article's network."""
    return [_default_section(setup), _article_section(setup)]


def _default_section(setup: Setup) -> Section:
    """The default model, beside classifiers trained on the same dataset, on titles in memory."""
    data, threads, run = setup.data, setup.num_threads, make_run(setup, "ngram")
    dataset, codes, texts = make_sample(setup), _write_codes(setup, "ngram"), _texts(setup)
    folded = partial(_prepare_folded, run, codes, threads)
    tfidf = partial(prepare_tfidf_predict, dataset, setup.folder / "tfidf.pickle", texts)
    fasttext = partial(prepare_fasttext_predict, dataset, setup.folder / "fasttext.bin", texts, threads)
    contestants = [
        Contestant("jobs.score, CSV to Parquet", "ours", data.num_rows, _scorer(setup, data, run)),
        Contestant("the folded predictor alone", "ceiling", len(texts), folded),
        Contestant(f"{TFIDF}, predict", "peer", len(texts), tfidf, needs=("scikit-learn",)),
        Contestant(f"{FASTTEXT}, predict, one thread", "peer", len(texts), fasttext, needs=("fasttext",)),
        Contestant("polars.read_csv alone", "ceiling", data.num_rows, ready(read_polars, data)),
    ]
    return setup.section("score", f"score, default model, {data.title}, {data.num_rows:,} rows", contestants)


def _article_section(setup: Setup) -> Section:
    """The article's network, beside others that run it on codes in memory, at the batch size that PyTorch likes best."""
    run, threads, codes = make_run(setup, "charcnn"), setup.num_threads, _write_codes(setup, "charcnn")
    data = make_data(setup.data.kind, setup.folder / "article.csv", min(ARTICLE_ROWS, setup.data.num_rows))
    rows = _memory_rows(setup)
    batch = best_batch_size(run, codes, threads) if setup.why_absent("torch") is None else rows
    folded, forward = (
        partial(_prepare_folded, run, codes, threads),
        partial(prepare_forward, run, codes, batch, threads),
    )
    compiled = partial(forward, compiled=True)
    onnx = partial(prepare_onnx, run, setup.folder / "network.onnx", codes, threads)
    product = partial(_prepare_product, rows * _row_flops(run), threads)
    in_torch = partial(product, in_torch=True)
    contestants = [
        Contestant("jobs.score, CSV to Parquet", "ours", data.num_rows, _scorer(setup, data, run)),
        Contestant("the folded predictor alone", "ceiling", rows, folded),
        Contestant(f"PyTorch eager, forward alone, batch {batch:,}", "peer", rows, forward, needs=("torch",)),
        Contestant(
            f"torch.compile, forward alone, batch {batch:,}", "peer", rows, compiled, needs=("torch", "torch.compile")
        ),
        Contestant(
            f"ONNX Runtime, forward alone, batch {ONNX_BATCH_ROWS:,}", "peer", rows, onnx, needs=("onnxruntime",)
        ),
        Contestant("NumPy matrix products, as many operations", "ceiling", rows, product),
        Contestant("PyTorch matrix products, as many operations", "ceiling", rows, in_torch, needs=("torch",)),
        Contestant("polars.read_csv alone", "ceiling", data.num_rows, ready(read_polars, data)),
    ]
    return setup.section("score", f"score, the article's network, {data.title}, {data.num_rows:,} rows", contestants)


def _scorer(setup: Setup, data: Data, run: Path) -> Callable[[], Work]:
    job = score.ScoreConfig(
        (str(data.path),),
        run=run,
        out=setup.folder / "scores.parquet",
        scoring=ScoringConfig(engine="folded"),
        reading=data.reading,
        common=setup.common,
    )
    return ready(score.run, job)


def _prepare_folded(run: Path, codes: Path, num_threads: int) -> Work:
    import numpy as np

    from model.engines.load import load_predictor
    from model.runs.model_file import read_model

    predictor = load_predictor(run, read_model(run), engine="folded", device="cpu", num_threads=num_threads)
    return partial(predictor.predict, np.load(codes))


def _row_flops(run: Path) -> int:
    from model.runs.model_file import read_model

    model = read_model(run)
    return count_flops(model.architecture, model.profile, len(model.labels))


def count_flops(config: Any, profile: Any, num_classes: int) -> int:
    """Multiplications and additions that the article's network does for a row, in its matrix products and convolutions."""
    return sum(
        2 * prod(shape) * (profile.max_length if name.startswith("conv") else 1)
        for name, shape in config.weight_shapes(profile, num_classes).items()
        if len(shape) > 1
    )


def _prepare_product(num_flops: int, num_threads: int, *, in_torch: bool = False) -> Work:
    """Multiply float32 matrices until so many operations are done, to a product more or less, in NumPy or in PyTorch."""
    import numpy as np

    left, right = np.random.default_rng(0).random((2, _MATRIX, _MATRIX), np.float32)
    times = max(1, round(num_flops / (2 * _MATRIX**3)))
    if not in_torch:
        return partial(_multiply, np.matmul, left, right, np.empty_like(left), times)
    import torch

    torch.set_num_threads(num_threads)
    out = torch.empty((_MATRIX, _MATRIX))
    return partial(_multiply, torch.matmul, torch.from_numpy(left), torch.from_numpy(right), out, times)


def _multiply(product: Any, left: Any, right: Any, out: Any, times: int) -> None:
    for _ in range(times):
        product(left, right, out=out)


def _memory_rows(setup: Setup) -> int:
    """Rows that contestants find in memory: a power of two, so that batches fill it."""
    return 1 << min(_MOST_IN_MEMORY, setup.data.num_rows.bit_length() - 1)


def _memory_dataset(setup: Setup, arch: str) -> Path:
    num_rows = min(2 << _MOST_IN_MEMORY, setup.data.num_rows)
    data = make_data(setup.data.kind, setup.folder / "memory.csv", num_rows)
    return make_dataset(setup, data, "memory", PROFILE_OF[arch])


def _write_codes(setup: Setup, arch: str) -> Path:
    """Codes of titles, uint8 [N, L], in a file."""
    import numpy as np

    path = setup.folder / f"codes-{arch}.npy"
    if not path.exists():
        shards = sorted(_memory_dataset(setup, arch).glob("train-*.codes.npy"))
        codes_NL = np.concatenate([np.load(shard) for shard in shards])
        np.save(path, codes_NL[np.arange(_memory_rows(setup)) % len(codes_NL)])
    return path


def _texts(setup: Setup) -> list[str]:
    """The titles of those codes, as they were in the CSV."""
    rows = read_rows(_memory_dataset(setup, "ngram"), "train")
    return list(islice(cycle(rows.texts), _memory_rows(setup)))
