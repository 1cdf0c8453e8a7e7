"""What was measured of a trained network: `evaluation.json` on one page, written by training and read by reports.

All figures are of the held-out rows unless they say otherwise. K classes, L max_length. A file that lacks something, has too much or says
what cannot be is refused by name, so that a report never shows half of a run.
"""

import json
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from model.runs.accuracy import Accuracy, Count, Share
from model.runs.folder import EVALUATION_JSON, REMEDY
from pipeline.errors import InputError
from pipeline.storage.json_file import read_json

FORMAT_VERSION = 2  # 1 had accuracies without intervals, and did not say where the rows came from.
NUM_BINS = 15


class _Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Figures by name."""


class Bin(_Figures, frozen=True, kw_only=True):
    """Rows whose confidence lies in one of `NUM_BINS` intervals of equal width.

    Attributes:
        rows: How many there are.
        confidence: Their mean confidence; 0 where there is none.
        accuracy: The share of them that is right; 0 where there is none.
    """

    rows: Count
    confidence: Share
    accuracy: Share


class Calibration(_Figures, frozen=True, kw_only=True):
    """How far confidences can be taken for probabilities of being right.

    Attributes:
        ece: Expected calibration error over `bins`, the mean over rows of |accuracy - confidence|.
        bins: `NUM_BINS` of them, from confidence 0 to 1.
    """

    ece: Share
    bins: Annotated[list[Bin], Meta(min_length=NUM_BINS, max_length=NUM_BINS)]


class Coverage(_Figures, frozen=True, kw_only=True):
    """What is left of the rows when those below a confidence abstain.

    Attributes:
        min_confidence: The threshold, what `--min-confidence` takes.
        coverage: Share of rows at or above it.
        accuracy: Of those.
    """

    min_confidence: Share
    coverage: Share
    accuracy: Accuracy


class Target(_Figures, frozen=True, kw_only=True):
    """The lowest threshold that reaches an accuracy.

    Attributes:
        accuracy: The accuracy asked for, as 0.95.
        reached: Where it is reached; None where no threshold does.
    """

    accuracy: float
    reached: Coverage | None


class Mistake(_Figures, frozen=True, kw_only=True):
    """A row that was taken for another class, with high confidence.

    Attributes:
        source: Name of the file it came from.
        record: Its 0-based record there.
        text: As it was read.
        label: Its class.
        prediction: The class it was taken for.
        confidence: Of the prediction.
    """

    source: str
    record: int
    text: str
    label: str
    prediction: str
    confidence: Share


class Baseline(_Figures, frozen=True, kw_only=True):
    """A plain model on the same rows, to hold the network against.

    Attributes:
        name: What it is.
        accuracy: On the held-out rows.
        rows_train: Rows that it learned from.
        seconds: That learning and measuring took.
    """

    name: str
    accuracy: Accuracy
    rows_train: int
    seconds: float


class Seen(_Figures, frozen=True, kw_only=True):
    """Held-out rows that training had as well.

    Attributes:
        rows: Held-out rows whose text occurs among the training rows.
        rows_as_codes: Held-out rows whose codes do, which is all that the network sees of a text.
        accuracy: On the rows whose codes occur in training; None where there is none.
        accuracy_without: On the others; None where there is none.
    """

    rows: Count
    rows_as_codes: Count
    accuracy: Accuracy | None
    accuracy_without: Accuracy | None


class SourceRows(_Figures, frozen=True, kw_only=True):
    """A file that the dataset was made of, by its name in the manifest, and the rows that came out of it."""

    name: str
    rows: Count


class Layer(_Figures, frozen=True, kw_only=True):
    """One line of the network's summary.

    Attributes:
        name: Of the module.
        kind: Its class.
        shape: Of its output for one row, as ``32 x 64``.
        parameters: Numbers that training moves.
    """

    name: str
    kind: str
    shape: str
    parameters: int


class RunEvaluation(_Figures, frozen=True, kw_only=True):
    """Everything that a report shows beside the epochs.

    Attributes:
        format_version: Of the file.
        labels: K class names.
        dataset: The dataset's folder, as it was given.
        sources: The files that it was made of.
        rows_train: Rows of the training split.
        accuracy: Of the held-out rows; right are those whose most probable class is theirs.
        macro_f1: Mean of the classes' F1, see `model.runs.macro_f1`.
        loss: Mean cross-entropy at the fitted temperature, in nats.
        loss_uncalibrated: The same at temperature 1.
        temperature: What logits are divided by.
        confusion: Rows by true and predicted class, int [K][K].
        calibrated: At the fitted temperature, each half of the rows measured with the temperature fitted on the other one.
        uncalibrated: At temperature 1.
        coverage: From all rows to few, at most 101 points.
        targets: For accuracies of 0.95 and 0.99.
        lengths_train: Rows by number of codes before the fill, int [L + 1].
        lengths_valid: The same of held-out rows.
        characters: (character, how often) of the training rows, in the order of the codes; fill not counted.
        mistakes: The most confident ones, at most 25, in falling confidence.
        seen: Held-out rows that training had as well.
        baseline: None where none was asked for.
        layers: The network, module by module.
    """

    format_version: int = FORMAT_VERSION
    labels: list[str]
    dataset: str
    sources: list[SourceRows]
    rows_train: Count
    accuracy: Accuracy
    macro_f1: Share
    loss: float
    loss_uncalibrated: float
    temperature: Annotated[float, Meta(gt=0)]
    confusion: list[list[Count]]
    calibrated: Calibration
    uncalibrated: Calibration
    coverage: list[Coverage]
    targets: list[Target]
    lengths_train: list[Count]
    lengths_valid: list[Count]
    characters: list[tuple[str, Count]]
    mistakes: list[Mistake]
    seen: Seen
    baseline: Baseline | None
    layers: list[Layer]

    def __post_init__(self) -> None:
        num_classes = len(self.labels)
        if {len(self.confusion), *map(len, self.confusion)} != {num_classes}:
            raise ValueError(f"confusion: expected {num_classes} rows of {num_classes} classes")
        if len(self.lengths_train) != len(self.lengths_valid):
            raise ValueError("lengths_train and lengths_valid: expected equally many")

    @property
    def rows_valid(self) -> int:
        """Rows held out."""
        return sum(map(sum, self.confusion))

    def to_bytes(self) -> bytes:
        """The bytes of `evaluation.json`."""
        return (json.dumps(msgspec.to_builtins(self), indent=1, ensure_ascii=False) + "\n").encode()


def read_evaluation(run: Path) -> RunEvaluation:
    """Read a run's `evaluation.json`.

    Raises:
        InputError: The file is missing or damaged.
        MismatchError: It is of another format version.
    """
    path = run / EVALUATION_JSON
    if not path.exists():
        raise InputError(f"{path}: the file is missing; {REMEDY}", path=path)
    return read_json(path, RunEvaluation, (FORMAT_VERSION,), REMEDY)
