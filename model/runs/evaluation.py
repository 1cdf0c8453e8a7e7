"""What a run knows about itself: `evaluation.json`, written by training and read by reports. Imports nothing heavy.

All figures are of the held-out rows unless they say otherwise. K classes, L max_length.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

EVALUATION_JSON = "evaluation.json"
FORMAT_VERSION = 1
NUM_BINS = 15


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Rows whose confidence lies in one of `NUM_BINS` intervals of equal width.

    Attributes:
        rows: How many there are.
        confidence: Their mean confidence; 0 where there is none.
        accuracy: The share of them that is right; 0 where there is none.
    """

    rows: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How far confidences can be taken for probabilities of being right.

    Attributes:
        ece: Expected calibration error over `bins`, the mean over rows of |accuracy - confidence|.
        bins: `NUM_BINS` of them, from confidence 0 to 1.
    """

    ece: float
    bins: list[Bin]


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What is left of the rows when those below a confidence abstain.

    Attributes:
        min_confidence: The threshold, what `--min-confidence` takes.
        coverage: Share of rows at or above it.
        accuracy: Share of those that is right.
    """

    min_confidence: float
    coverage: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Target:
    """The lowest threshold that reaches an accuracy.

    Attributes:
        accuracy: The accuracy asked for, as 0.95.
        reached: Where it is reached; None where no threshold does.
    """

    accuracy: float
    reached: Coverage | None


@dataclass(frozen=True, kw_only=True)
class Mistake:
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
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A plain model on the same rows, to hold the network against.

    Attributes:
        name: What it is.
        accuracy: On the held-out rows.
        rows_train: Rows that it learned from.
        seconds: That learning and measuring took.
    """

    name: str
    accuracy: float
    rows_train: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Held-out rows that training had as well.

    Attributes:
        rows: Held-out rows whose text occurs among the training rows.
        rows_as_codes: Held-out rows whose codes do, which is all that the network sees of a text.
        accuracy: On the rows whose codes occur in training; None where there is none.
        accuracy_without: On the others; None where there is none.
    """

    rows: int
    rows_as_codes: int
    accuracy: float | None
    accuracy_without: float | None


@dataclass(frozen=True, kw_only=True)
class Layer:
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


@dataclass(frozen=True, kw_only=True)
class RunEvaluation:
    """Everything that a report shows beside the epochs.

    Attributes:
        labels: K class names.
        rows_train: Rows of the training split.
        accuracy: Share of the held-out rows whose most probable class is theirs.
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

    labels: list[str]
    rows_train: int
    accuracy: float
    loss: float
    loss_uncalibrated: float
    temperature: float
    confusion: list[list[int]]
    calibrated: Calibration
    uncalibrated: Calibration
    coverage: list[Coverage]
    targets: list[Target]
    lengths_train: list[int]
    lengths_valid: list[int]
    characters: list[tuple[str, int]]
    mistakes: list[Mistake]
    seen: Seen
    baseline: Baseline | None
    layers: list[Layer]

    @property
    def rows_valid(self) -> int:
        """Rows held out."""
        return sum(map(sum, self.confusion))

    def to_bytes(self) -> bytes:
        """The bytes of `evaluation.json`."""
        content: dict[str, Any] = {"format_version": FORMAT_VERSION, **asdict(self)}
        return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
