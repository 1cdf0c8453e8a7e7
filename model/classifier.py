"""A trained run as a Python object: texts in, classes out, with the same numbers as `jobs.score` writes. Needs no torch.

N texts, K classes.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from model.architectures.trained import Model, Probabilities
from model.engines.load import load_predictor
from model.engines.predictor import Device, Engine, Predictor
from model.runs.model_file import read_model
from pipeline.errors import InputError, UsageError
from pipeline.execution.threads import available_threads
from pipeline.records.cleaning import clean
from pipeline.records.rows import RECORD, TEXT
from pipeline.records.wanted import Wanted
from pipeline.text.encoder import Encoder, to_strings

Texts = Iterable[str | None]
"""Strings in a list, a Polars or pandas series, a NumPy or an Arrow array."""

Frame = TypeVar("Frame")

_BLOCK_ROWS = 32_768


class Classifier:
    """A trained classifier; may be used by several threads at once.

    A text that is blank or null has no class: its prediction is None and its probabilities are NaN.

    Args:
        model: What was trained.
        predictor: It, loaded.

    Example:
        >>> from model.classifier import Classifier
        >>> classifier = Classifier.load("runs/garden")
        >>> classifier.labels
        ['animals', 'plants', 'tools']
        >>> classifier.predict(["a heron and two newts", "chisel, mallet, gimlet", " "])
        ['animals', 'tools', None]
        >>> classifier.predict_proba(["a heron and two newts"]).shape
        (1, 3)
    """

    def __init__(self, model: Model, predictor: Predictor) -> None:
        self._model = model
        self._predictor = predictor
        self._encoder = Encoder(model.profile)
        self._names = np.array([*model.labels, None], object)

    @classmethod
    def load(cls, run: Path | str, *, engine: Engine = "auto", device: Device = "auto", threads: int = 0) -> Self:
        """Load a run.

        Args:
            run: The folder that training wrote.
            engine: ``folded`` needs no torch and runs on the CPU, ``torch`` runs the network itself; ``auto`` is torch where there is a
                GPU for it, else folded.
            device: Where the torch engine runs.
            threads: To compute with; 0 for all cores.

        Raises:
            CharmillError: There is no run, it is damaged, or the engine is not installed.
        """
        if threads < 0:
            raise UsageError(f"threads {threads}: expected 0 or more")
        model = read_model(Path(run))
        num_threads = available_threads(threads)
        return cls(model, load_predictor(Path(run), model, engine=engine, device=device, num_threads=num_threads))

    def __repr__(self) -> str:
        return f"<Classifier {self.fingerprint}: {len(self._model.labels)} classes, {self.engine}>"

    @property
    def labels(self) -> list[str]:
        """The K classes, in the order of the probabilities."""
        return list(self._model.labels)

    @property
    def engine(self) -> str:
        """What computes, and where, as in ``folded on cpu``."""
        return self._predictor.name

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that name the model; scores files have them, too."""
        return self._model.fingerprint

    def predict(self, texts: Texts) -> list[str | None]:
        """The most probable class of each text, None for one that is blank or null.

        Raises:
            TypeError: They are not strings.
            InputError: One is no text, as it has half a surrogate pair.
        """
        return self._classes(self.predict_proba(texts))

    def predict_proba(self, texts: Texts) -> Probabilities:
        """The probabilities of all classes, float32 [N, K]; a row is NaN where the text is blank or null, and sums to 1 elsewhere.

        Raises:
            TypeError: They are not strings.
            InputError: One is no text, as it has half a surrogate pair.
        """
        return self._probabilities({TEXT: _strings(texts, "texts")}, Wanted())

    def predict_frame(self, frame: Frame, text: str | Sequence[str] = "title") -> Frame:
        """A frame with the columns ``prediction`` and ``confidence`` added, null where the text is blank or null.

        Args:
            frame: A DataFrame of Polars or pandas, or a table of Arrow; what is returned is of the same kind.
            text: The column of the text; several are joined by one space.

        Raises:
            TypeError: It is no such frame, or a column does not hold strings.
            UsageError: A column of the text is missing, or one to be added is there.
        """
        columns = _column_names(frame)
        names = [text] if isinstance(text, str) else list(text)
        if not names:
            raise UsageError("text: name at least one column")
        for name in names:
            if name not in columns:
                raise UsageError(f"the frame has no column {name!r}; its columns are {', '.join(map(repr, columns))}")
        for name in ("prediction", "confidence"):
            if name in columns:
                raise UsageError(f"the frame has a column {name!r} already; rename or drop it")
        strings = {name: _strings(cast("Any", frame)[name], f"column {name!r}") for name in names}
        probabilities_NK = self._probabilities(strings, Wanted(text=names))
        return _add(frame, self._classes(probabilities_NK), probabilities_NK.max(axis=1))

    def _classes(self, probabilities_NK: Probabilities) -> list[str | None]:
        best_N = np.where(np.isnan(probabilities_NK[:, 0]), -1, probabilities_NK.argmax(axis=1))
        return cast("list[str | None]", self._names[best_N].tolist())

    def _probabilities(self, columns: Mapping[str, pl.Series], wanted: Wanted) -> Probabilities:
        num_rows = len(columns[wanted.text[0]])
        probabilities_NK = np.full((num_rows, len(self._model.labels)), np.nan, np.float32)
        for start in range(0, num_rows, _BLOCK_ROWS):
            stop = min(num_rows, start + _BLOCK_ROWS)
            block = {name: column[start:stop].fill_null("") for name, column in columns.items()}
            rows = clean(block, np.arange(start, stop), wanted).frame
            codes_BL = self._encoder.encode(to_strings(rows[TEXT]))
            probabilities_NK[rows[RECORD].to_numpy()] = self._predictor.predict(codes_BL)
        return probabilities_NK


def _column_names(frame: object) -> list[str]:
    if isinstance(frame, pl.LazyFrame):
        raise TypeError("the frame is lazy, expected its rows; call collect() first")
    if isinstance(frame, pa.Table):
        return list(frame.column_names)
    if isinstance(frame, pl.DataFrame) or hasattr(frame, "assign"):
        return list(cast("Any", frame).columns)
    raise TypeError(f"expected a DataFrame of Polars or pandas, or an Arrow table, got {type(frame).__name__}")


def _add(frame: Frame, predictions: list[str | None], confidences_N: npt.NDArray[np.float32]) -> Frame:
    """The frame with two more columns, where NaN becomes null if it knows a difference."""
    added: Any
    if isinstance(frame, pl.DataFrame):
        prediction, confidence = pl.Series("prediction", predictions, pl.String), pl.Series("confidence", confidences_N)
        added = frame.with_columns(prediction, confidence.fill_nan(None))
    elif isinstance(frame, pa.Table):
        added = frame.append_column("prediction", pa.array(predictions, pa.string()))
        added = added.append_column("confidence", pa.array(confidences_N, from_pandas=True))
    else:
        added = cast("Any", frame).assign(prediction=predictions, confidence=confidences_N)
    return cast("Frame", added)


def _strings(texts: Any, what: str) -> pl.Series:
    """Texts as a series of strings, nulls as they are."""
    if isinstance(texts, str | bytes | Mapping) or hasattr(texts, "columns"):
        hint = "put it into a list" if isinstance(texts, str) else "give one column of it, or see predict_frame"
        raise TypeError(f"{what}: expected a list or a column of strings, got {type(texts).__name__}; {hint}")
    try:
        if isinstance(texts, pl.Series):
            series = texts
        else:
            arrow = texts if isinstance(texts, pa.Array | pa.ChunkedArray) else pa.array(texts, from_pandas=True)
            series = cast("pl.Series", pl.from_arrow(arrow))
    except UnicodeEncodeError as error:
        raise InputError(
            f"{what}: there is half a character in {error.object!r:.60}, which UTF-8 cannot hold"
        ) from error
    except (TypeError, ValueError) as error:  # Arrow's own errors are of these kinds.
        raise TypeError(f"{what}: expected strings and nothing else: {' '.join(str(error).split())}") from error
    if not isinstance(series.dtype, pl.String | pl.Categorical | pl.Enum | pl.Null):
        raise TypeError(f"{what}: expected strings, got {series.dtype}")
    return series.cast(pl.String)
