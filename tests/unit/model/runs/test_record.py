"""A run read back: figures survive the way to disk, and whatever is damaged is refused with what to do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.runs.record import evaluation_from_json, read_evaluation, read_run
from pipeline.errors import InputError, MismatchError, UsageError
from tests.records import make_record, write_run

PATH = Path("run/evaluation.json")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's files, without weights, which no report reads."""
    return write_run(tmp_path / "run", make_record())


def _content() -> dict[str, Any]:
    evaluation = make_record().evaluation
    assert evaluation is not None
    content: dict[str, Any] = json.loads(evaluation.to_bytes())
    return content


def test_what_is_read_is_what_was_written(run: Path) -> None:
    assert read_run(run) == make_record()
    (run / "evaluation.json").unlink()
    assert read_run(run) == make_record(evaluation=None)
    assert read_evaluation(run) is None


def test_a_loss_may_be_no_number_in_the_history(run: Path) -> None:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | {"valid_loss": float("inf")})
    (run / "metrics.jsonl").write_text("\n".join(lines))
    assert read_run(run).column("valid_loss")[1] == float("inf")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null", "\xff", '{"format_version": 1}', "[" * 100_000])
def test_what_is_no_evaluation_is_refused(content: str) -> None:
    with pytest.raises(InputError, match=r"evaluation\.json: it is damaged .*train again"):
        evaluation_from_json(content.encode("latin-1"), PATH)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(accuracy=float("nan")), "NaN is no number"),
        (lambda content: content.update(accuracy="0.8"), "accuracy: expected float"),
        (lambda content: content.update(accuracy=True), "accuracy: expected float"),
        (lambda content: content.update(accuracy=1.2), "expected a share"),
        (lambda content: content.update(loss=10**400), "OverflowError"),
        (lambda content: content.update(temperature=0), "temperature"),
        (lambda content: content.update(labels=None), "labels"),
        (lambda content: content.update(more=1), "'more' is unknown"),
        (lambda content: content.pop("seen"), "'seen' is missing"),
        (lambda content: content["seen"].pop("rows"), "seen: 'rows' is missing"),
        (lambda content: content.update(seen=3), "seen: expected an object"),
        (lambda content: content["confusion"].pop(), "expected 4 rows of 4"),
        (lambda content: content["confusion"][0].pop(), "expected 4 rows of 4"),
        (lambda content: content["confusion"][0].__setitem__(0, -1), "below 0"),
        (lambda content: content["calibrated"]["bins"][3].update(rows=-1), "below 0"),
        (lambda content: content["seen"].update(rows_as_codes=-1), "below 0"),
        (lambda content: content["confusion"][0].__setitem__(0, 1.5), "confusion: expected int"),
        (lambda content: content["calibrated"]["bins"].pop(), "expected 15"),
        (lambda content: content["lengths_valid"].pop(), "equally many"),
        (lambda content: content["characters"][0].pop(), "characters"),
        (lambda content: content["targets"][0].update(reached=[]), "reached: expected an object"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_name(
    change: Callable[[dict[str, Any]], object], message: str
) -> None:
    content = _content()
    change(content)
    with pytest.raises(InputError, match=r"evaluation\.json: it is damaged") as caught:
        evaluation_from_json(json.dumps(content).encode(), PATH)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_number_beyond_all_floats_is_refused() -> None:
    content = json.dumps(_content() | {"loss": 0.4321}).replace("0.4321", "1e999", 1)
    with pytest.raises(InputError, match="loss: expected float, got Infinity"):
        evaluation_from_json(content.encode(), PATH)


def test_another_format_version_is_refused_with_both() -> None:
    with pytest.raises(MismatchError, match="format_version is 2, expected 1"):
        evaluation_from_json(json.dumps(_content() | {"format_version": 2}).encode(), PATH)


def test_an_evaluation_of_another_model_is_refused(run: Path) -> None:
    content = _content()
    content["labels"][0] = "other"
    (run / "evaluation.json").write_text(json.dumps(content))
    with pytest.raises(MismatchError, match="labels"):
        read_run(run)


@pytest.mark.parametrize("name", ["metrics.jsonl", "config.toml"])
def test_missing_and_damaged_files_are_refused_by_name(run: Path, name: str) -> None:
    path = run / name
    for content in (b"\xff", b"{", b"3", b'{"epoch": 0}', b"" if name == "metrics.jsonl" else b"a = \n"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"{name}: it is damaged"):
            read_run(run)
    path.unlink()
    with pytest.raises(InputError, match=rf"{name}: .* missing"):
        read_run(run)


def test_no_run_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such run"):
        read_run(tmp_path / "nowhere")
