"""A run read back: figures survive the way to disk, and whatever is damaged is refused with what to do."""

import json
from pathlib import Path

import pytest

from model.runs.record import read_run
from pipeline.errors import InputError, MismatchError, UsageError
from tests.records import make_record, write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's files, without weights, which no report reads."""
    return write_run(tmp_path / "run", make_record())


def test_what_is_read_is_what_was_written(run: Path) -> None:
    assert read_run(run) == make_record()


def test_a_loss_may_be_no_number_in_the_history(run: Path) -> None:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | {"valid_loss": float("inf")})
    (run / "metrics.jsonl").write_text("\n".join(lines))
    assert read_run(run).column("valid_loss")[1] == float("inf")


def test_an_evaluation_of_another_model_is_refused(run: Path) -> None:
    path = run / "evaluation.json"
    content = json.loads(path.read_bytes())
    content["labels"][0] = "other"
    path.write_text(json.dumps(content))
    with pytest.raises(MismatchError, match="labels"):
        read_run(run)


@pytest.mark.parametrize("name", ["metrics.jsonl", "config.toml", "evaluation.json"])
def test_missing_and_damaged_files_are_refused_by_name(run: Path, name: str) -> None:
    path = run / name
    for content in (b"\xff", b"{", b"3", b'{"epoch": 0}', b"" if name == "metrics.jsonl" else b"a = \n"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"{name}: it is damaged"):
            read_run(run)
    path.unlink()
    with pytest.raises(InputError, match=rf"{name}: .* missing"):
        read_run(run)


def test_it_says_when_it_was_trained_whatever_the_clock_says_now(run: Path) -> None:
    assert read_run(run).trained == "2025-11-24 20:16 UTC"


def test_no_run_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such run"):
        read_run(tmp_path / "nowhere")
