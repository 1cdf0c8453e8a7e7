"""What is drawn of a run, whether it stands alone or beside others: its lines, and the axes that they are drawn on."""

from itertools import accumulate

from model.reports.charts import Axis, Line
from model.runs.evaluation import Calibration, RunEvaluation
from model.runs.record import RunRecord

EPOCHS = Axis(label="epoch", form="whole", low=1)
SECONDS = Axis(label="seconds of training", low=0)
# A loss is looked at from 0, an accuracy where it lies.
LOSS = Axis(label="loss", low=0)
ACCURACY = Axis(label="accuracy", form="share")
LEARNING_RATE = Axis(label="learning rate", low=0)
RELIABILITY = (
    Axis(label="confidence", form="share", low=0, high=1),
    Axis(label="accuracy", form="share", low=0, high=1),
)
COVERAGE = (Axis(label="rows kept", form="share", low=0, high=1), Axis(label="accuracy among them", form="share"))


def line(name: str, style: int, record: RunRecord, column: str, x: Axis = EPOCHS) -> Line:
    """One of `EPOCH_FIELDS` by epoch, as people count them, from 1, or by seconds."""
    positions = (
        accumulate(record.column("seconds")) if x is SECONDS else (epoch + 1 for epoch in record.column("epoch"))
    )
    return Line(name=name, style=style, points=list(zip(positions, record.column(column), strict=True)))


def reliability_line(name: str, style: int, calibration: Calibration) -> Line:
    """Accuracy by confidence, a point for each interval that has rows."""
    points = [(interval.confidence, interval.accuracy) for interval in calibration.bins if interval.rows]
    return Line(name=name, style=style, points=points)


def coverage_line(name: str, style: int, evaluation: RunEvaluation) -> Line:
    """Accuracy by the share of rows that are kept."""
    points = [(point.coverage, point.accuracy.share) for point in reversed(evaluation.coverage)]
    return Line(name=name, style=style, points=points)
