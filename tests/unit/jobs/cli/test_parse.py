"""A job's config is made of defaults, a config file, the environment and flags, and what makes no sense there is refused by name."""

from pathlib import Path

import pytest

from jobs.cli.parse import parse
from jobs.drops.status import StatusConfig
from jobs.encode import EncodeConfig
from pipeline.errors import UsageError


def _parse(*tokens: object) -> EncodeConfig:
    config = parse("encode", EncodeConfig, ["in.csv", "--out", "out", *map(str, tokens)])
    assert config is not None
    return config


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "charmill.toml"


def test_defaults_give_way_to_the_file_the_file_to_the_environment_and_that_to_flags(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("max-length = 20\n[encode]\nprofile = 'ascii'\n[train]\nepochs = 3\n")
    assert (_parse().profile, _parse().max_length) == (None, None)
    got = _parse("--config", file)
    assert (got.profile, got.max_length) == ("ascii", 20)
    monkeypatch.setenv("CHARMILL_MAX_LENGTH", "30")
    got = _parse(f"--config={file}")
    assert (got.profile, got.max_length) == ("ascii", 30)
    assert _parse("--config", file, "--max-length", 40).max_length == 40
    monkeypatch.setenv("CHARMILL_CONFIG", str(file))
    assert _parse().profile == "ascii"


def test_a_config_file_may_have_underscores_and_switches_and_what_is_required(file: Path) -> None:
    file.write_text("out = 'there'\nmax_length = 20\njson = true\nthreads = 1\n")
    config = parse("encode", EncodeConfig, ["in.csv", "--config", str(file)])
    assert config is not None
    assert (config.out, config.max_length, config.common.json, config.common.threads) == (Path("there"), 20, True, 1)


@pytest.mark.parametrize("how", ["flag", "variable", "file"])
def test_a_whole_number_is_not_rounded(how: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("shard-rows = 1.5\n")
    if how == "variable":
        monkeypatch.setenv("CHARMILL_SHARD_ROWS", "1.5")
    tokens: dict[str, list[object]] = {"flag": ["--shard-rows", "1.5"], "variable": [], "file": ["--config", file]}
    with pytest.raises(UsageError, match=r"expected a whole number, got 1\.5"):
        _parse(*tokens[how])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("max-lenght = 3", r"max-lenght.*max-length"),
        ("[encode]\nprofil = 'seed'", r"profil\b.*profile"),
        ("max-length = 'many'", "many"),
        ("profile = 'sead'", "sead.*seed"),
        ("max-length =", "it is not TOML"),
        ("encode = 3", "encode"),
    ],
)
def test_a_config_file_that_makes_no_sense_is_refused(content: str, message: str, file: Path) -> None:
    file.write_text(content)
    with pytest.raises(UsageError, match=message):
        _parse("--config", file)


def test_a_lone_hyphen_is_a_value() -> None:
    config = parse("encode", EncodeConfig, ["-", "in.csv", "--out", "out"])
    assert config is not None
    assert config.csv == ("-", "in.csv")


def test_short_flags_are_flags() -> None:
    config = parse("encode", EncodeConfig, ["in.csv", "-oout", "-t", "title", "-l=class"])
    assert config is not None
    assert (config.out, config.reading.text, config.label) == (Path("out"), "title", "class")


def test_a_flag_takes_back_a_switch_that_was_set_elsewhere(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("append = true\n")
    monkeypatch.setenv("CHARMILL_JSON", "1")
    got = _parse("--config", file)
    assert (got.append, got.common.json) == (True, True)
    got = _parse("--config", file, "--no-append", "--no-json")
    assert (got.append, got.common.json) == (False, False)


def test_a_command_takes_from_its_jobs_table_what_it_knows(file: Path) -> None:
    file.write_text("text = 'title'\n[drops]\ninbox = 'in'\noutbox = 'out'\n")
    config = parse("drops status", StatusConfig, ["--config", str(file)])
    assert config is not None
    assert config.outbox == Path("out")


def test_what_is_positional_comes_from_the_command_line_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARMILL_FILE", "other.csv")
    assert _parse().csv == ("in.csv",)
    with pytest.raises(UsageError, match=r"FILE\.\.\. is missing"):
        parse("encode", EncodeConfig, ["--out", "out"])


@pytest.mark.parametrize("flag", ["--help", "-h", "--help-all"])
def test_help_is_printed_and_no_config(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert parse("encode", EncodeConfig, ["in.csv", flag]) is None
    assert "python -m jobs.encode" in capsys.readouterr().out
    assert parse("encode", EncodeConfig, ["--out", "out", "--", flag]) is not None
