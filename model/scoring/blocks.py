"""The scoring of a block, which needs only the block and a loaded model, so that any thread or process can do it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from model.architectures.trained import Model
from model.engines.predictor import Predictor
from model.runs.training_texts import TrainingTexts
from model.scoring.columns import Answers, ScoreOptions, table_of
from model.scoring.tally import Tally, tally_of
from pipeline.records.quarantine import Reject
from pipeline.records.row_reader import ScannedBlock
from pipeline.records.rows import LABEL, TEXT, Place
from pipeline.text.encoder import Encoder, to_strings


@dataclass(frozen=True, kw_only=True)
class ScoredBlock:
    """A block, scored: what goes into the scores file and its quarantine.

    Attributes:
        table: The rows with their predictions.
        tally: Of the rows by their true classes; None where nobody asked for it.
        num_correct: Rows whose class is the predicted one; 0 without labels.
        num_abstained: Rows below the confidence threshold.
        num_abstained_correct: Rows that are both.
        rejects: In the order of their records.
        unknown_labels: See `RowBlock`.
        num_records: Rows and rejects together, as the scanner counted them.
        place: Where the block begins.
        end: Where the next block begins.
    """

    table: pa.Table
    tally: Tally | None
    num_correct: int
    num_abstained: int
    num_abstained_correct: int
    rejects: list[Reject]
    unknown_labels: Mapping[str, int]
    num_records: int
    place: Place
    end: Place

    def __getstate__(self) -> dict[str, Any]:
        # pyarrow's own pickling forgets the name of a list's elements, and that none of them is null.
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.table.schema) as stream:
            stream.write_table(self.table)
        return self.__dict__ | {"table": sink.getvalue().to_pybytes()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, table=pa.ipc.open_stream(state["table"]).read_all())


class BlockScorer:
    """Scores scanned blocks; several threads may use one at once.

    Each process makes its own: a model is loaded where it is used.

    Args:
        model: The model.
        predictor: The model, loaded.
        options: What the scores contain.
        texts: What training had; given, rows with a true class are tallied.
    """

    def __init__(
        self, model: Model, predictor: Predictor, options: ScoreOptions, texts: TrainingTexts | None = None
    ) -> None:
        options.require_no_clash(model.labels)
        self._model = model
        self.labels = pa.array(model.labels, pa.string())
        self._classes = pl.Enum(model.labels)
        self._texts = texts
        self._predictor = predictor
        self._options = options
        self._encoder = Encoder(model.profile)

    def __call__(self, scanned: ScannedBlock) -> ScoredBlock:
        """Clean, encode and classify the rows of a block."""
        block = scanned.rows()
        frame, threshold = block.frame, self._options.min_confidence
        text = to_strings(frame[TEXT])
        probabilities_NK = self._predictor.predict(self._encoder.encode(text))
        predicted, confidence = probabilities_NK.argmax(axis=1), probabilities_NK.max(axis=1)
        abstained = np.zeros(len(predicted), np.bool_) if threshold is None else confidence < np.float32(threshold)
        is_right, tally = np.zeros(len(predicted), np.bool_), None
        if self._options.wanted.label:
            true_N = frame[LABEL].cast(self._classes).to_physical().to_numpy()
            is_right = true_N == predicted
            if self._texts is not None:
                known = self._texts.look_up(text)
                tally = tally_of(true_N, predicted, *known, abstained_N=abstained, num_classes=len(self.labels))
        answers = Answers(
            frame=frame,
            labels=self.labels,
            probabilities=probabilities_NK,
            predicted=predicted,
            confidence=confidence,
            abstained=abstained,
        )
        return ScoredBlock(
            table=table_of(answers, self._options, self._model.labels),
            tally=tally,
            num_correct=int(is_right.sum()),
            num_abstained=int(abstained.sum()),
            num_abstained_correct=int((is_right & abstained).sum()),
            rejects=block.rejects,
            unknown_labels=block.unknown_labels,
            num_records=block.num_records,
            place=block.place,
            end=block.end,
        )
