"""Scoring: the default model beside other classifiers, the article's network beside others who run it. For jobs.bench only."""

from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from jobs import score
from jobs.bench.data import Data, make_data
from jobs.bench.encode import read_polars
from jobs.bench.models import PROFILE_OF, count_flops, make_run, sample_dataset
from jobs.bench.network import (
    ONNX_BATCH_ROWS,
    best_batch_size,
    export_onnx,
    prepare_forward,
    prepare_onnx,
    prepare_product,
)
from jobs.bench.peers import (
    FASTTEXT,
    TFIDF,
    prepare_fasttext_fit,
    prepare_fasttext_predict,
    prepare_tfidf_fit,
    prepare_tfidf_predict,
    read_rows,
)
from jobs.bench.setup import Ground, Lineup, encoded, ready
from jobs.bench.timing import Section, Work
from jobs.cli.scoring_flags import ScoringConfig

_MOST_IN_MEMORY = 14  # As a power of two: the network alone takes seconds for so many rows.

ARTICLE_ROWS = 50_000
"""Rows of the CSV that the article's network scores at most."""


def score_sections(ground: Ground) -> list[Section]:
    """The default model, and the article's network."""
    return [_default_section(ground), _article_section(ground)]


def _default_section(ground: Ground) -> Section:
    data, run = ground.data, make_run(ground, "ngram")
    lineup = Lineup(ground, "score", f"score, default model, {data.title}, {data.num_rows:,} rows")
    codes, texts = _write_codes(ground, "ngram"), _texts(ground)
    lineup.add("jobs.score, CSV to Parquet", "ours", data.num_rows, _scorer(ground, data, run))
    lineup.add(
        "the folded predictor alone", "ceiling", len(texts), partial(_prepare_folded, run, codes, ground.num_threads)
    )
    _add_classifiers(lineup, ground, texts)
    lineup.add("polars.read_csv alone", "ceiling", data.num_rows, ready(read_polars, data))
    return lineup.section


def _add_classifiers(lineup: Lineup, ground: Ground, texts: list[str]) -> None:
    """Others, each taught by the dataset that taught our model, on titles in memory."""
    dataset = sample_dataset(ground)
    name, model = f"{TFIDF}, predict", ground.folder / "tfidf.pickle"
    if lineup.has(name, "scikit-learn"):
        prepare_tfidf_fit(dataset, model)()
        lineup.add(name, "peer", len(texts), partial(prepare_tfidf_predict, model, texts))
    name, model = f"{FASTTEXT}, predict, one thread", ground.folder / "fasttext.bin"
    if lineup.has(name, "fasttext"):
        prepare_fasttext_fit(dataset, ground.folder / "sample.txt", ground.num_threads, model)()
        lineup.add(name, "peer", len(texts), partial(prepare_fasttext_predict, model, texts))


def _article_section(ground: Ground) -> Section:
    from model.runs.model_file import read_model

    run, threads, codes = make_run(ground, "charcnn"), ground.num_threads, _write_codes(ground, "charcnn")
    data = make_data(ground.data.kind, ground.folder / "article.csv", min(ARTICLE_ROWS, ground.data.num_rows))
    model = read_model(run)
    num_rows = _memory_rows(ground)
    flops = num_rows * count_flops(model.architecture, model.profile, len(model.labels))
    lineup = Lineup(ground, "score", f"score, the article's network, {data.title}, {data.num_rows:,} rows")
    lineup.add("jobs.score, CSV to Parquet", "ours", data.num_rows, _scorer(ground, data, run))
    lineup.add("the folded predictor alone", "ceiling", num_rows, partial(_prepare_folded, run, codes, threads))
    _add_runners(lineup, ground, run, codes)
    product = partial(prepare_product, flops, threads)
    lineup.add("NumPy matrix products, as many operations", "ceiling", num_rows, product)
    lineup.add(
        "PyTorch matrix products, as many operations",
        "ceiling",
        num_rows,
        partial(product, in_torch=True),
        needs=("torch",),
    )
    lineup.add("polars.read_csv alone", "ceiling", data.num_rows, ready(read_polars, data))
    return lineup.section


def _add_runners(lineup: Lineup, ground: Ground, run: Path, codes: Path) -> None:
    """Others who run the network itself, at the batch size that PyTorch likes best."""
    threads, num_rows = ground.num_threads, _memory_rows(ground)
    batch = best_batch_size(run, codes, threads) if ground.absence("torch") is None else num_rows
    forward = partial(prepare_forward, run, codes, batch, threads)
    lineup.add(f"PyTorch eager, forward alone, batch {batch:,}", "peer", num_rows, forward, needs=("torch",))
    lineup.add(
        f"torch.compile, forward alone, batch {batch:,}",
        "peer",
        num_rows,
        partial(forward, compiled=True),
        needs=("torch", "torch.compile"),
    )
    name, path = f"ONNX Runtime, forward alone, batch {ONNX_BATCH_ROWS:,}", ground.folder / "network.onnx"
    if lineup.has(name, "onnxruntime"):
        lineup.add(name, "peer", num_rows, partial(_prepare_exported, run, path, codes, threads))


def _prepare_exported(run: Path, path: Path, codes: Path, threads: int) -> Work:
    if not path.exists():
        export_onnx(run, path)
    return prepare_onnx(path, codes, ONNX_BATCH_ROWS, threads)


def _scorer(ground: Ground, data: Data, run: Path) -> Callable[[], Work]:
    job = score.ScoreConfig(
        (str(data.path),),
        run=run,
        out=ground.folder / "scores.parquet",
        scoring=ScoringConfig(engine="folded"),
        reading=data.reading,
        common=ground.common,
    )
    return ready(score.run, job)


def _prepare_folded(run: Path, codes: Path, num_threads: int) -> Work:
    import numpy as np

    from model.engines.load import load_predictor
    from model.runs.model_file import read_model

    predictor = load_predictor(run, read_model(run), engine="folded", device="cpu", num_threads=num_threads)
    return partial(predictor.predict, np.load(codes))


def _memory_rows(ground: Ground) -> int:
    """Rows of those who find them in memory: a power of two, so that batches fill it."""
    return 1 << min(_MOST_IN_MEMORY, ground.data.num_rows.bit_length() - 1)


def _memory_dataset(ground: Ground, arch: str) -> Path:
    num_rows = min(2 << _MOST_IN_MEMORY, ground.data.num_rows)
    return encoded(
        ground, make_data(ground.data.kind, ground.folder / "memory.csv", num_rows), "memory", PROFILE_OF[arch]
    )


def _write_codes(ground: Ground, arch: str) -> Path:
    """Codes of titles, uint8 [N, L], in a file."""
    import numpy as np

    path = ground.folder / f"codes-{arch}.npy"
    if not path.exists():
        codes_NL = np.concatenate(
            [np.load(shard) for shard in sorted(_memory_dataset(ground, arch).glob("train-*.codes.npy"))]
        )
        np.save(path, codes_NL[np.arange(_memory_rows(ground)) % len(codes_NL)])
    return path


def _texts(ground: Ground) -> list[str]:
    """The titles of those codes, as they were in the CSV."""
    return list(islice(cycle(read_rows(_memory_dataset(ground, "ngram"), "train").texts), _memory_rows(ground)))
