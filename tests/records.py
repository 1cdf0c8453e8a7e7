"""Runs as reports see them, made up by hand: figures that a test can look for, of any number of classes and epochs."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.trained import Model
from model.runs.accuracy import accuracy_of
from model.runs.evaluation import (
    Baseline,
    Bin,
    Calibration,
    Coverage,
    Layer,
    Mistake,
    RunEvaluation,
    Seen,
    SourceRows,
    Target,
)
from model.runs.record import RunRecord
from pipeline.text.alphabet import get_profile

EVIL = "<script>alert('&')</script>"
NASTY = (
    EVIL,
    "\u202edesrever\u202c \u2066isolated\u2069\u200f",
    "\u05e9\u05dc\u05d5\u05dd \u0639\u0631\u0628\u064a",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2603",
    "a\u2028b\u2029c\x00d\x1be\nf\tg",
    "long " * 60,
    "]]><!--",
    "\ud800 alone",
)
STORABLE = NASTY[:-1]
"""Those that UTF-8 can hold, as files of a run must."""


def make_labels(num_classes: int) -> list[str]:
    """Names, the first few of them nasty."""
    return [STORABLE[index] if index < len(STORABLE) else f"class {index}" for index in range(num_classes)]


def make_confusion(num_classes: int) -> list[list[int]]:
    """Mostly right, some mistakes near the diagonal, and a last class that never occurs."""

    def rows(true: int, predicted: int) -> int:
        if num_classes - 1 in {true, predicted}:
            return 0
        distance = abs(true - predicted)
        return {0: 1234 - true, 1: 11 + true % 60, 2: 3}.get(distance, int((true * 7 + predicted * 13) % 5 == 0))

    return [[rows(true, predicted) for predicted in range(num_classes)] for true in range(num_classes)]


def make_calibration(shift: float) -> Calibration:
    bins = [
        Bin(rows=index * index, confidence=(index + 0.5) / 15, accuracy=max(0.0, (index + 0.5) / 15 - shift))
        for index in range(15)
    ]
    return Calibration(ece=shift, bins=[Bin(rows=0, confidence=0, accuracy=0), *bins[1:]])


def make_evaluation(labels: list[str], max_length: int = 64, num_characters: int = 27) -> RunEvaluation:
    confusion = make_confusion(len(labels))
    lengths = [round(1000 * math.exp(-(((length - 40) / 12) ** 2))) for length in range(max_length + 1)]
    lengths[-1] = 321
    names = [*"abcdefghijklmnopqrstuvwxyz ", *(chr(code) for code in range(32)), EVIL]
    names += [f"0x{code:02X}" for code in range(256)]
    return RunEvaluation(
        labels=labels,
        rows_train=46_982,
        dataset="data/titles",
        sources=[SourceRows(name=name, rows=1_000 + index) for index, name in enumerate([*STORABLE[:2], "titles.csv"])],
        accuracy=accuracy_of(sum(row[index] for index, row in enumerate(confusion)), sum(map(sum, confusion))),
        macro_f1=0.8642,
        loss=0.4321,
        loss_uncalibrated=0.5678,
        temperature=1.3456,
        confusion=confusion,
        calibrated=make_calibration(0.0123),
        uncalibrated=make_calibration(0.0876),
        coverage=[
            Coverage(
                min_confidence=step / 101,
                coverage=1 - step / 101,
                accuracy=accuracy_of(
                    round((0.86 + 0.135 * (step / 100) ** 0.5) * (10_100 - 100 * step)), 10_100 - 100 * step
                ),
            )
            for step in range(101)
        ],
        targets=[
            Target(
                accuracy=0.95,
                reached=Coverage(min_confidence=0.4356, coverage=0.5644, accuracy=accuracy_of(2_375, 2_500)),
            ),
            Target(accuracy=0.99, reached=None),
        ],
        lengths_train=lengths,
        lengths_valid=[count // 9 for count in lengths],
        characters=[(name, (index * 7919) % 1009) for index, name in enumerate(names[:num_characters])],
        mistakes=[
            Mistake(
                source="titles.csv",
                record=1000 + index,
                text=text,
                label=labels[0],
                prediction=labels[1],
                confidence=0.99,
            )
            for index, text in enumerate(STORABLE)
        ],
        seen=Seen(rows=77, rows_as_codes=99, accuracy=accuracy_of(97, 99), accuracy_without=accuracy_of(4_000, 5_000)),
        baseline=Baseline(name="a plain baseline", accuracy=accuracy_of(4_001, 5_000), rows_train=46_982, seconds=3.21),
        layers=[Layer(name="conv_1", kind="Conv1d", shape="32 x 64", parameters=4_512)],
    )


def make_record(
    num_epochs: int = 3,
    num_classes: int = 4,
    *,
    lr: float = 0.0001,
    name: str = "run",
    config: dict[str, Any] | None = None,
    **changes: Any,
) -> RunRecord:
    """A run; `changes` replace fields of the record."""
    labels = make_labels(num_classes)
    model = Model(
        architecture=CharCnnConfig(),
        profile=get_profile("seed"),
        labels=labels,
        label_names={"1": labels[0]},
        temperature=1.3456,
        dataset_fingerprint="da7a" * 4,
        weights_bytes=123_456,
        weights_sha256="ab" * 32,
        texts_bytes=456,
        texts_sha256="cd" * 32,
        versions={"charmill": "0.1.0"},
    )
    history = [
        {
            "epoch": epoch,
            "train_loss": 1.4 * 0.95**epoch,
            "valid_loss": 1.3 * 0.98**epoch + 0.001 * epoch,
            "train_accuracy": 1 - 0.6 * 0.95**epoch,
            "valid_accuracy": 0.4 + 0.4 * (1 - 0.9**epoch),
            "batch_accuracy": 1.0,
            "rows": 46_982,
            "lr": lr,
            "seconds": 3.3,
            "finished": f"2025-11-24T20:{16 + epoch // 60:02d}:{epoch % 60:02d}Z",
        }
        for epoch in range(num_epochs)
    ]
    settings = {"recipe": "seed", "arch": "charcnn", "epochs": num_epochs, "lr": lr, "shuffle": False}
    record = RunRecord(
        name=name, model=model, history=history, config=settings | (config or {}), evaluation=make_evaluation(labels)
    )
    return replace(record, **changes)


def write_run(folder: Path, record: RunRecord) -> Path:
    """Write what a run's folder says, without weights."""
    folder.mkdir(parents=True)
    (folder / "model.json").write_bytes(record.model.to_bytes())
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in record.history))
    (folder / "config.toml").write_text(
        "".join(f"{name} = {json.dumps(value)}\n" for name, value in record.config.items())
    )
    (folder / "evaluation.json").write_bytes(record.evaluation.to_bytes())
    return folder
