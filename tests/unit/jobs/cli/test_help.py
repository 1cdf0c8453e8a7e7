"""The help of every job: short, complete, wide enough for no terminal to break it, and with examples that work."""

import io
import re
import shlex
from importlib import import_module
from typing import Any

import pytest

from jobs.__main__ import JOBS
from jobs.cli.help import examples, program
from jobs.cli.parse import make_app, parse

MOST_LINES = 50
"""Of `--help` at 100 columns: about one screen. A flag that makes it more is rarely needed, or its help can be shorter."""

CONFIGS: dict[str, type[Any]] = {
    name: getattr(import_module(module), config) for name, (module, config, _) in JOBS.items()
}
each_job = pytest.mark.parametrize("job", CONFIGS)
Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def page(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> Any:
    def print_page(job: str, flag: str = "--help", columns: int = 100) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        assert parse(job, CONFIGS[job], [flag]) is None
        return capsys.readouterr().out

    return print_page


def _flags(job: str) -> list[Any]:
    arguments = make_app(job, CONFIGS[job]).assemble_argument_collection(parse_docstring=True)
    return [argument for argument in arguments if argument.show]


@each_job
def test_every_flag_is_explained_in_all_of_the_help_and_the_common_ones_fit_on_a_screen(job: str, page: Any) -> None:
    short, everything = page(job), page(job, "--help-all")
    assert len(short.splitlines()) <= MOST_LINES
    for argument in _flags(job):
        assert len((argument.parameter.help or "").split()) > 2, argument.name
        row = rf"^  (-\w, |    )?{argument.name}\b" if argument.index is None else rf"^  \[?{argument.name[2:]}\b"
        assert re.search(row, everything, re.MULTILINE), argument.name
        if argument.required:
            assert re.search(row, short, re.MULTILINE), argument.name
    rows = re.findall(r"^  (?:-\w, |    )--", short, re.MULTILINE)
    hidden = re.search(r"--help-all shows (\d+) more flags: .*Rarely needed", " ".join(short.split()))
    assert hidden
    assert len(rows) + int(hidden[1]) == len(re.findall(r"^  (?:-\w, |    )--", everything, re.MULTILINE))


@each_job
@pytest.mark.parametrize("columns", [80, 100, 300])
@pytest.mark.parametrize("flag", ["--help", "--help-all"])
def test_no_line_is_wider_than_the_terminal_or_than_one_reads_well(
    job: str, flag: str, columns: int, page: Any
) -> None:
    widest = max(page(job, flag, columns).splitlines(), key=len)
    assert len(widest) <= min(columns, 100), widest


def test_on_a_narrow_terminal_what_a_flag_does_stands_under_its_name(page: Any) -> None:
    assert "\n  -r, --run RUN\n        The trained run" in page("score", columns=50)
    assert max(map(len, page("train", "--help-all", columns=60).splitlines())) <= 60


@each_job
def test_what_all_flags_have_in_common_is_said_once(job: str, page: Any) -> None:
    everything = page(job, "--help-all")
    assert everything.count("CHARMILL_") == everything.count("CHARMILL_NAME_OF_FLAG") == 1
    assert "--no-NAME" in everything
    assert not re.search(r"--no-(json|debug|overwrite|append|resume)\b|default: (False|None|\"\")", everything)


def _words(command: str) -> list[str]:
    """What the program gets of a command line."""
    return shlex.split(re.sub(r" < \S+$", "", command))


@each_job
def test_every_example_parses_as_it_is_printed(job: str, page: Any) -> None:
    printed = page(job, columns=80).partition("\nExamples:\n")[2].partition("\n\n")[0]
    assert not re.search(r"--[a-z]+ \\$", printed, re.MULTILINE)
    commands = [_words(command) for command in printed.replace("\\\n", " ").splitlines()]
    assert commands
    for command, example in zip(commands, examples(CONFIGS[job]), strict=True):
        first, *words = _words(example)
        assert command == [*program(first).split(), *words]
        name = next(name for name in (f"{first} {words[0] if words else ''}", first) if name in CONFIGS)
        config = parse(name, CONFIGS[name], command[2 + len(name.split()) :])
        assert isinstance(config, CONFIGS[name])
    assert any(example.startswith(job) for example in examples(CONFIGS[job]))


def test_short_flags_are_the_same_in_every_job() -> None:
    flags = [argument for job in CONFIGS for argument in _flags(job) if argument.index is None]
    short = {argument.name: name for argument in flags for name in argument.names if len(name) == 2}
    assert short == {"--out": "-o", "--run": "-r", "--text": "-t", "--label": "-l", "--keep": "-k"}
    for argument in flags:
        assert [name for name in argument.names if len(name) == 2] == [*filter(None, [short.get(argument.name)])]


@each_job
def test_every_switch_can_be_taken_back(job: str) -> None:
    switches = [argument for argument in _flags(job) if argument.resolved_hint is bool]
    assert switches
    for argument in switches:
        assert argument.negatives == (f"--no-{argument.name.removeprefix('--')}",)


def test_choices_and_defaults_are_said_as_one_types_them(page: Any) -> None:
    everything = " ".join(page("train", "--help-all").split())
    for said in (
        "[choices: tfidf, none] [default: tfidf]",
        "[default: 256 (recipe seed: 128)]",
        "[default: sgd 0.9, rmsprop 0]",
        "[default: from the number of rows (recipe seed: 99)]",
        "--shuffle, --no-shuffle",
        "[default: yes (recipe seed: no)]",
        "[default: 60]",
        "DATASET The dataset",
        "-o, --out RUN",
    ):
        assert said in everything
    assert "--memory, --no-memory" in page("bench")


@pytest.mark.parametrize(("argv", "called"), [("/usr/bin/charmill", "charmill"), ("jobs/encode.py", "python -m jobs.")])
def test_the_program_is_called_as_it_was(argv: str, called: str, page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [argv])
    sep = " " if called == "charmill" else ""
    shown = page("encode")
    assert shown.startswith(f"Usage: {called}{sep}encode FILE... --out DIR [OPTIONS]\n")
    assert f"Examples:\n  {called}{sep}encode " in shown


def test_colours_are_for_terminals(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = page("encode")
    assert "\x1b" not in plain

    def shown() -> str:
        terminal = io.StringIO()
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr("sys.stdout", terminal)
        page("encode")
        return terminal.getvalue()

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert re.search(r"\x1b\[[\d;]*3[67]m--out", shown())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[\d;]*3\dm", shown())
    assert re.sub(r"\x1b\[[\d;]*m", "", shown()) == plain
