"""Blocks travel: encoded or scored in a process of its own, they give the bytes that they give in this one."""

import multiprocessing
import pickle
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any, TypeVar

import pytest

from model.engines.load import load_predictor
from model.runs.model_file import read_model
from model.scoring.blocks import BlockScorer
from model.scoring.columns import ScoreOptions
from model.scoring.scorer import Scorer
from pipeline.building.builder import DatasetBuilder
from pipeline.formats.csv.csv_format import CsvFormat
from pipeline.formats.opening import Formats
from pipeline.records.wanted import Wanted
from pipeline.storage.source import Source, find_sources
from tests.building import CONFIG
from tests.commands import files_in
from tests.datasets import make_csv, shared_run

Item = TypeVar("Item")
Result = TypeVar("Result")

OPTIONS = ScoreOptions(
    wanted=Wanted(text=["title"], keep=["title"], label="label"), probabilities="list", min_confidence=0.5
)
ENCODINGS = ["utf-8", "utf-16", "cp1252"]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Pool]:
    """A process that was spawned, so that it has nothing of this one."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool


def _work_on(pickled: bytes) -> bytes:
    work, block = pickle.loads(pickled)
    return pickle.dumps(work(block))


def _in_a_process(
    pool: Pool,
    items: Generator[Item, None, None],
    work: Callable[[Item], Result],
    _size_of: Callable[[Item], int],
) -> Generator[Result, None, None]:
    """An `Execute` that works on blocks in another process."""
    for item in items:
        result: Result = pickle.loads(pool.apply(_work_on, (pickle.dumps((work, item)),)))
        yield result


def _score(block: Any, *, run: Path) -> Any:
    """What a worker does: it loads the model itself."""
    model = read_model(run)
    predictor = load_predictor(run, model, engine="folded", device="auto", num_threads=1)
    return BlockScorer(model, predictor, OPTIONS)(block)


def _write(path: Path, encoding: str) -> Path:
    text = make_csv(path, 200).read_text().replace("otter and", "ötter «and»").replace("\n", "\nbad\n", 9)
    path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encoding(tmp_path: Path, elsewhere: Pool, encoding: str) -> None:
    csv = _write(tmp_path / "in.csv", encoding)
    formats = Formats(csv=CsvFormat(encoding=encoding), block_bytes=1000)
    datasets = []
    for name, execute in (("here", None), ("elsewhere", partial(_in_a_process, elsewhere))):
        folder = tmp_path / name
        folder.mkdir()
        config = replace(CONFIG, wanted=Wanted(text=["title"], label="label"))
        builder = DatasetBuilder(config, formats, folder, execute=execute)
        for source in find_sources([str(csv)]):
            builder.read(source, lambda _: None)
        builder.finish()
        datasets.append(files_in(builder.folder))
    assert datasets[0] == datasets[1]
    assert {"manifest.json", "quarantine.parquet", "train-00000.codes.npy"} < datasets[0].keys()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_scoring(tmp_path: Path, elsewhere: Pool, encoding: str) -> None:
    csv = _write(tmp_path / "in.csv", encoding)
    formats = Formats(csv=CsvFormat(encoding=encoding), block_bytes=1000)
    model = read_model(shared_run())
    predictor = load_predictor(shared_run(), model, engine="folded", device="auto", num_threads=1)

    def execute(items: Any, _work: Any, size_of: Any) -> Any:
        return _in_a_process(elsewhere, items, partial(_score, run=shared_run()), size_of)

    scores = []
    executes: list[tuple[str, Any]] = [("here", None), ("elsewhere", execute)]
    for name, chosen in executes:
        scorer = Scorer(model, predictor, OPTIONS, formats, num_threads=1, execute=chosen)
        scorer.score(Source(str(csv), csv.name), tmp_path / name / "scores.parquet", lambda _: None)
        scores.append(files_in(tmp_path / name))
    assert scores[0] == scores[1]
    assert scores[0].keys() == {"scores.parquet", "scores.quarantine.parquet"}
