"""A wrong command line, variable or config file is answered by one line: where, what was expected, what came, what was meant."""

from pathlib import Path
from typing import Any

import pytest

from jobs.bench.command import BenchConfig
from jobs.cli.parse import parse
from jobs.drops.command import DropsJobConfig
from jobs.encode import EncodeConfig
from jobs.score import ScoreConfig
from jobs.train import TrainJobConfig
from pipeline.errors import UsageError

_ENCODE = "python -m jobs.encode FILE... --out DIR [OPTIONS]"


def _mistake(job: str, config_type: type[Any], line: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(job, config_type, line.split())
    message, see, rest = str(caught.value).partition(" See ")
    assert (see, rest) == (" See ", f"python -m jobs.{job} --help")
    assert message.endswith((".", "?"))
    return message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", f"FILE... is missing; usage: {_ENCODE}."),
        ("a.csv", f"--out DIR is missing; usage: {_ENCODE}."),
        ("a.csv --out", "--out: its value is missing."),
        ("a.csv -o x -t", "-t: its value is missing."),
        ("a.csv --outt x", "--outt: there is no such flag; did you mean --out?"),
        ("a.csv --outt=x", "--outt: there is no such flag; did you mean --out?"),
        ("a.csv -o x --helpp", "--helpp: there is no such flag; did you mean --help?"),
        ("a.csv -o x -z", "-z: there is no such flag."),
        ("--FILE a.csv -o x", "--FILE: there is no such flag."),
        ("a.csv -o x --out y", "--out: set more than once."),
        ("a.csv -o x --profile sead", "--profile: expected one of seed, ascii, bytes, got sead; did you mean seed?"),
        ("a.csv -o x --profile latin", "--profile: expected one of seed, ascii, bytes, got latin."),
        ("a.csv -o x --max-length x", "--max-length: expected a whole number, got x."),
        ("a.csv -o x --max-length 1.5", "--max-length: expected a whole number, got 1.5."),
        ("a.csv -o x --valid-fraction x", "--valid-fraction: expected a number, got x."),
        ("a.csv -o x --json=maybe", "--json: expected true or false, got maybe."),
    ],
)
def test_a_wrong_command_line(line: str, message: str) -> None:
    assert _mistake("encode", EncodeConfig, line) == message


def test_wrong_words_where_flags_have_their_own_way_of_reading_them() -> None:
    train = "python -m jobs.train DATASET --out RUN [OPTIONS]."
    assert _mistake("train", TrainJobConfig, "a b --out x") == f"'b' is one too many; usage: {train}"
    assert _mistake("drops", DropsJobConfig, "statu --outbox x").startswith("'statu' is one too many; usage: ")
    assert (
        _mistake("train", TrainJobConfig, "a -o x --milestones a,b")
        == "--milestones: expected whole numbers with commas between, got a,b."
    )
    said = "[WHAT]: expected one of all, encode, load, train, score, growth, got enc; did you mean encode?"
    assert _mistake("bench", BenchConfig, "enc") == said


def test_a_mistyped_value_that_may_be_left_out_is_no_input() -> None:
    with pytest.raises(UsageError, match=r"got colums; did you mean columns\?"):
        parse("score", ScoreConfig, ["--run", "r", "--out", "o", "--probabilities", "colums", "a.csv"])


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARMILL_PROFILE", "latin")
    message = "CHARMILL_PROFILE: expected one of seed, ascii, bytes, got latin."
    assert _mistake("encode", EncodeConfig, "a.csv -o x") == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("max-lenght = 3", "max-lenght: there is no such flag; did you mean max-length?"),
        (
            "FILE = 'a.csv'",
            "FILE: there is no such flag; what other jobs take stands in a table of theirs, such as [encode].",
        ),
        ("max-length = ''", "max-length: expected a whole number, got nothing."),
        ("max-length = 'many'", "max-length: expected a whole number, got many."),
    ],
)
def test_a_wrong_key_of_a_config_file_is_named_with_the_file(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "charmill.toml"
    file.write_text(content)
    assert _mistake("encode", EncodeConfig, f"a.csv -o x --config {file}") == f"{file}: {message}"
