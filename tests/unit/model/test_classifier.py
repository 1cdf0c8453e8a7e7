"""The Python face: any container of texts, the numbers of `jobs.score`, one position for each text."""

import doctest
import importlib
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import score
from jobs.cli.reading_flags import ReadingConfig
from jobs.cli.scoring_flags import ScoringConfig
from model import classifier as module
from model.classifier import Classifier
from pipeline.errors import InputError, UsageError
from tests.commands import HIDE_TORCH, ROOT, environment
from tests.datasets import LABELS, QUIET, shared_run, titles, write_csv

TEXTS = [title for _, title in titles(200, seed=3)]
WITH_GAPS = ["otter and newt", None, "", " \t\n", "chisel"]

pandas: ModuleType | None
try:
    pandas = importlib.import_module("pandas")
except ImportError:
    pandas = None
needs_pandas = pytest.mark.skipif(pandas is None, reason="pandas is not installed")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(shared_run(), threads=1)


def _scores(tmp_path: Path, texts: list[str], arch: str, **flags: Any) -> pa.Table:
    csv = write_csv(tmp_path / "in.csv", [(f'"{text}"',) for text in texts], header="text")
    out = tmp_path / "scores.parquet"
    scoring = ScoringConfig(probabilities="list", **flags)
    score.run(
        score.ScoreConfig(
            (str(csv),), run=shared_run(arch), out=out, scoring=scoring, reading=ReadingConfig(), common=QUIET
        )
    )
    return pq.read_table(out)


def _floats(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(column.to_pylist(), np.float32)


@pytest.mark.parametrize("arch", ["ngram", "charcnn", "lstm"])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_numbers_are_those_of_score_to_the_last_bit(arch: str, threads: int, tmp_path: Path) -> None:
    scores = _scores(tmp_path, TEXTS, arch)
    classifier = Classifier.load(shared_run(arch), threads=threads)
    probabilities = classifier.predict_proba(TEXTS)
    assert probabilities.dtype == np.float32
    assert probabilities.tobytes() == _floats(scores["probabilities"]).tobytes()
    assert classifier.predict(TEXTS) == scores["prediction"].to_pylist()
    frame = classifier.predict_frame(pl.DataFrame({"title": TEXTS}))
    assert frame["confidence"].to_numpy().tobytes() == _floats(scores["confidence"]).tobytes()


def test_the_torch_engine_gives_the_numbers_of_score_with_it(tmp_path: Path) -> None:
    scores = _scores(tmp_path, TEXTS, "ngram", engine="torch", device="cpu")
    classifier = Classifier.load(shared_run(), engine="torch", device="cpu", threads=1)
    assert classifier.engine == "torch on cpu"
    assert classifier.predict_proba(TEXTS).tobytes() == _floats(scores["probabilities"]).tobytes()


def test_what_it_says_of_itself(classifier: Classifier) -> None:
    assert classifier.labels == list(LABELS)
    classifier.labels.clear()
    assert classifier.labels == list(LABELS)
    assert (classifier.engine, len(classifier.fingerprint)) == ("folded on cpu", 16)
    assert repr(classifier) == f"<Classifier {classifier.fingerprint}: 3 classes, folded on cpu>"


_as_pandas: list[Callable[[list[str | None]], Iterable[str | None]]] = [
    lambda texts: pandas.Series(texts, index=range(5, 10)),  # type: ignore[union-attr]
    lambda texts: pandas.Series(texts, dtype=object),  # type: ignore[union-attr]
    lambda texts: pandas.Series(texts, dtype="category"),  # type: ignore[union-attr]
]


@pytest.mark.parametrize(
    "container",
    [
        list,
        tuple,
        iter,
        pl.Series,
        lambda texts: pl.Series(texts, dtype=pl.Categorical),
        lambda texts: np.array(texts, object),
        pa.array,
        lambda texts: pa.array(texts, pa.large_string()),
        lambda texts: pa.array(texts, pa.string_view()),
        lambda texts: pa.array(texts).dictionary_encode(),
        lambda texts: pa.chunked_array([texts[:2], [], texts[2:]], pa.string()),
        lambda texts: pa.concat_arrays([pa.array(["x"]), pa.array(texts)])[1:],
        *(pytest.param(each, marks=needs_pandas) for each in _as_pandas),
    ],
)
def test_any_container_of_texts_will_do(container: Callable[[Any], Any], classifier: Classifier) -> None:
    expected = classifier.predict_proba(WITH_GAPS)
    assert np.isnan(expected[:, 0]).tolist() == [False, True, True, True, False]
    np.testing.assert_array_equal(classifier.predict_proba(container(WITH_GAPS)), expected)
    assert classifier.predict(container(WITH_GAPS)) == ["animals", None, None, None, "tools"]


@pytest.mark.parametrize("texts", [[], pl.Series([], dtype=pl.String), pa.array([]), np.array([], str)])
def test_no_texts_have_no_classes(texts: Any, classifier: Classifier) -> None:
    assert classifier.predict(texts) == []
    assert classifier.predict_proba(texts).shape == (0, 3)


def test_texts_of_nothing_but_nulls(classifier: Classifier) -> None:
    assert classifier.predict([None, None]) == [None, None]
    assert classifier.predict(pl.Series([None, None])) == [None, None]


def test_many_texts_are_worked_on_in_blocks(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*TEXTS, None, *TEXTS, " "]
    expected = classifier.predict_proba(texts)
    monkeypatch.setattr(module, "_BLOCK_ROWS", 7)
    np.testing.assert_array_equal(classifier.predict_proba(texts), expected)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("otter", "texts: expected a list or a column of strings, got str; put it into a list"),
        (b"otter", "got bytes"),
        ({"title": "otter"}, "got dict; give one column"),
        (pl.DataFrame({"title": ["otter"]}), "got DataFrame; give one column of it, or see predict_frame"),
        (pa.table({"title": ["otter"]}), "got Table; give one column"),
        (3, "expected strings"),
        ([1, 2], "expected strings, got Int64"),
        (pl.Series([1.5]), "expected strings, got Float64"),
        (["otter", 3], "expected strings and nothing else"),
        ([["otter"]], "expected strings, got List"),
        (np.array([["otter"]]), "1-dimensional"),
    ],
)
def test_what_is_no_column_of_strings_is_refused(texts: Any, message: str, classifier: Classifier) -> None:
    with pytest.raises(TypeError, match=message):
        classifier.predict(texts)


def test_half_a_character_is_bad_input(classifier: Classifier) -> None:
    with pytest.raises(InputError, match=r"there is half a character in 'a\\ud800'"):
        classifier.predict(["a\ud800"])


def test_a_frame_keeps_its_kind_and_columns(classifier: Classifier) -> None:
    frame = pl.DataFrame({"id": [7, 8, 9], "title": ["otter and newt", None, "chisel"]})
    answered = classifier.predict_frame(frame)
    assert answered.columns == ["id", "title", "prediction", "confidence"]
    assert answered.schema["confidence"] == pl.Float32
    assert answered["prediction"].to_list() == ["animals", None, "tools"]
    assert answered["confidence"].is_null().to_list() == [False, True, False]
    table = classifier.predict_frame(frame.to_arrow())
    assert isinstance(table, pa.Table)
    assert pl.DataFrame(table).equals(answered)
    assert frame.columns == ["id", "title"]


@needs_pandas
def test_a_frame_of_pandas_keeps_its_index(classifier: Classifier) -> None:
    assert pandas is not None
    frame = pandas.DataFrame({"title": ["otter and newt", None, "chisel"]}, index=[30, 10, 20])
    answered = classifier.predict_frame(frame)
    assert type(answered) is pandas.DataFrame
    assert list(answered.index) == [30, 10, 20]
    assert answered["prediction"].isna().tolist() == [False, True, False]
    assert answered.loc[20, "prediction"] == "tools"
    assert answered["confidence"].dtype == np.float32


def test_columns_are_joined_as_score_joins_them(classifier: Classifier) -> None:
    frame = pl.DataFrame({"a": ["otter", "chisel", None, None], "b": ["newt", None, "awl", " "]})
    answered = classifier.predict_frame(frame, text=["a", "b"])
    joined = classifier.predict_proba(["otter newt", "chisel ", " awl", None]).max(axis=1)
    np.testing.assert_array_equal(answered["confidence"].to_numpy(), joined)
    assert answered["prediction"].is_null().to_list() == [False, False, False, True]


@pytest.mark.parametrize(
    ("frame", "text", "error", "message"),
    [
        (pl.DataFrame({"headline": ["x"]}), "title", UsageError, "no column 'title'; its columns are 'headline'"),
        (pl.DataFrame({"title": ["x"], "prediction": ["y"]}), "title", UsageError, "has a column 'prediction' already"),
        (pl.DataFrame({"title": ["x"]}), [], UsageError, "text: name at least one column"),
        (pl.DataFrame({"title": [3]}), "title", TypeError, "column 'title': expected strings, got Int64"),
        (pl.LazyFrame({"title": ["x"]}), "title", TypeError, r"call collect\(\) first"),
        (["x"], "title", TypeError, "expected a DataFrame of Polars or pandas, or an Arrow table, got list"),
    ],
)
def test_a_frame_that_will_not_do_is_refused(
    frame: Any, text: Any, error: type[Exception], message: str, classifier: Classifier
) -> None:
    with pytest.raises(error, match=message):
        classifier.predict_frame(frame, text=text)


def test_several_threads_may_ask_at_once(classifier: Classifier) -> None:
    for asked in (
        classifier,
        Classifier.load(shared_run("lstm"), threads=2),
        Classifier.load(shared_run(), engine="torch", device="cpu"),
    ):
        expected = asked.predict_proba(TEXTS)
        with ThreadPoolExecutor(4) as pool:
            for got in pool.map(lambda _, asked=asked: asked.predict_proba(TEXTS), range(12)):
                np.testing.assert_array_equal(got, expected)


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        Classifier.load(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="threads -1: expected 0 or more"):
        Classifier.load(shared_run(), threads=-1)


def test_the_example_of_the_docstring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "garden").symlink_to(shared_run())
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 4


def test_it_takes_no_torch_and_none_of_what_training_needs() -> None:
    ask = "print(Classifier.load(sys.argv[1]).predict(['otter and newt']))"
    code = f"import sys\n{HIDE_TORCH}\nfrom model.classifier import Classifier\n{ask}"
    words = [sys.executable, "-W", "error", "-c", code, str(shared_run())]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False)
    assert (done.stdout, done.stderr) == ("['animals']\n", "")


@pytest.mark.parametrize("package", ["pipeline", "model", "jobs"])
def test_type_checkers_are_told_that_the_packages_have_types(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()
