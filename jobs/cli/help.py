"""A job's help: its flags in groups, the common ones with `--help` and all of them with `--help-all`, and examples below."""

import inspect
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cyclopts import Group, Parameter

if TYPE_CHECKING:
    from cyclopts.argument import Argument, ArgumentCollection

INPUT = Parameter(group=Group("What goes in", sort_key=1))
OUTPUT = Parameter(group=Group("What comes out", sort_key=2))
TRAINING = Parameter(group=Group("How it learns", sort_key=3))
OPTIMISER = Parameter(group=Group("Optimiser", sort_key=4))
SCHEDULE = Parameter(group=Group("Schedule of the learning rate", sort_key=5))
REGULARISATION = Parameter(group=Group("Against overfitting", sort_key=6))
RUNNING = Parameter(group=Group("How it runs", sort_key=7))
RARE = Parameter(group=Group("Rarely needed", sort_key=8))
"""The groups of flags, in the order in which help shows them."""

ALL_FLAG = "--help-all"
HELP_FLAGS = frozenset({"--help", "-h", ALL_FLAG})
MOST_WIDTH = 100
"""Longer lines are hard to read, however wide the terminal."""

_INDENT = 31
_NARROW = 72
"""Below this width, what a flag does stands under its name."""
_NO_BREAK = "\xa0"
_SHORT_NOTE = 40
_ELSEWHERE = (
    "Every flag can also be set as a variable, CHARMILL_NAME_OF_FLAG, or in a TOML file given with --config; "
    "--no-NAME takes back a switch that was set there."
)
_EXAMPLES = "\n\nExamples:\n"


def group_of(argument: "Argument | Parameter") -> Group:
    """The one group that an argument is in."""
    parameter = argument if isinstance(argument, Parameter) else argument.parameter
    return cast("tuple[Group]", parameter.group)[0]


_UNCOMMON = set(map(group_of, (OPTIMISER, SCHEDULE, REGULARISATION, RARE)))


def program(name: str) -> str:
    """How this process was asked for a job: as ``charmill NAME`` or as ``python -m jobs.NAME``."""
    return f"charmill {name}" if Path(sys.argv[0]).name == "charmill" else f"python -m jobs.{name.replace('-', '_')}"


def usage(name: str, arguments: "ArgumentCollection") -> str:
    """The command line with all that a job needs: its positional arguments and required flags."""
    shown = [argument for argument in arguments if argument.show]
    positional = [label(argument) for argument in shown if argument.index is not None]
    required = [label(argument) for argument in shown if argument.index is None and argument.required]
    return " ".join([program(name), *positional, *required, "[OPTIONS]"])


def label(argument: "Argument") -> str:
    """What usage and messages call an argument: ``FILE...``, ``[WHAT]``, ``--out DIR``."""
    if argument.index is None:
        return " ".join(filter(None, (argument.name, _value_word(argument))))
    word = argument.name.lstrip("-").upper() + ("..." if argument.token_count()[1] else "")
    return word if argument.required else f"[{word}]"


def examples(config_type: type) -> list[str]:
    """The command lines under ``Examples:`` in the docstring of a job's config; each begins with the job's name."""
    return [line.strip() for line in inspect.cleandoc(config_type.__doc__ or "").partition(_EXAMPLES)[2].splitlines()]


def plain_default(value: Any) -> str:
    """A default as one would type it; nothing for a switch that is off."""
    if value is None or isinstance(value, bool):
        return "on" if value else ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def help_page(name: str, config_type: type, arguments: "ArgumentCollection", *, everything: bool) -> str:
    """A job's help as text.

    Args:
        name: As in ``python -m jobs.NAME``, or ``NAME COMMAND``.
        config_type: The job's config; its docstring says what the job does.
        arguments: What the job takes.
        everything: Show the groups that are seldom needed too.
    """
    width = min(shutil.get_terminal_size().columns, MOST_WIDTH)
    rare = [] if everything else [each for each in arguments if each.show and group_of(each) in _UNCOMMON]
    shown = [each for each in arguments if each.show and each not in rare]
    job = name.partition(" ")[0]
    paragraphs = [
        f"Usage: {usage(name, arguments)}",
        *_wrapped(inspect.cleandoc(config_type.__doc__ or "").partition(_EXAMPLES)[0], width),
    ]
    for group in _groups(shown):
        members = sorted((each for each in shown if group_of(each) == group), key=_order)
        rows = [row for each in members for row in _rows(each, width)]
        paragraphs.append("\n".join([f"{group.name}:", *rows]))
    commands = [_broken(f"  {program(job)}{line.removeprefix(job)}", width) for line in examples(config_type)]
    paragraphs.append("\n".join(["Examples:", *commands]))
    paragraphs += _wrapped(_ELSEWHERE, width)
    others = ", ".join(group.name for group in _groups(rare))
    more = f"{ALL_FLAG} shows {len(rare)} more flags: {others}." if rare else "--help shows the common flags only."
    paragraphs += _wrapped(more, width)
    return "\n\n".join(paragraphs)


def print_help(page: str) -> None:
    """Print a page on standard output, with colours on a terminal."""
    if not sys.stdout.isatty():
        print(page, flush=True)  # noqa: T201
        return
    from rich.console import Console
    from rich.text import Text

    text = Text(page)
    text.highlight_regex(r"(?m)^\S.*:$", "bold")
    text.highlight_regex(r"(?<![\w-])--?[a-z][\w-]*", "cyan")
    Console().print(text, soft_wrap=True)


def _groups(arguments: "Iterable[Argument]") -> list[Group]:
    """The groups of some arguments, in order."""
    return sorted(set(map(group_of, arguments)), key=lambda group: group.sort_key)


def _wrapped(text: str, width: int) -> list[str]:
    """The paragraphs of a text, with lines of that width at most."""
    return [_wrap(" ".join(paragraph.split()), width) for paragraph in text.split("\n\n")]


def _wrap(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def _broken(command: str, width: int) -> str:
    """A command on as many lines as it takes, as a shell reads it; a flag stays with its value."""
    together = re.sub(r"( --?[a-z]\S*) (?!-)", rf"\1{_NO_BREAK}", command)
    lines = textwrap.wrap(
        together, width - 2, subsequent_indent=" " * 6, break_long_words=False, break_on_hyphens=False
    )
    return " \\\n".join(lines).replace(_NO_BREAK, " ")


def _order(argument: "Argument") -> int:
    """What is positional comes first, then what is required, then flags with a short form, which are those used most."""
    marks = (argument.index is not None, argument.required, _short(argument), True)
    return next(place for place, mark in enumerate(marks) if mark)


def _short(argument: "Argument") -> str:
    return next((name for name in argument.names if len(name) == 2), "")


def _rows(argument: "Argument", width: int) -> Iterator[str]:
    """The lines of an argument: its names, and beside them what it does."""
    head = f"  {label(argument)}"
    if argument.index is None:
        negatives = set(argument.negatives)
        names = [each for each in argument.names if each not in negatives]
        short = _short(argument)
        shown = [each for each in names if each != short]
        if argument.field_info.default is not False:
            shown += negatives  # Of a switch that is on, or that the recipe turns on or off.
        head = f"  {short + ',' if short else '':<4}{', '.join(shown)} {_value_word(argument)}".rstrip()
    indent = _INDENT if width >= _NARROW else 8
    lines = [
        line
        for said in _said(argument).splitlines()
        for line in _wrap(said, width - indent).replace(_NO_BREAK, " ").splitlines()
    ]
    if len(head) > indent - 2:
        yield head
        head = ""
    for line in lines:
        yield f"{head:<{indent}}{line}"
        head = ""


def _said(argument: "Argument") -> str:
    """What an argument does, which values it takes, and which it has where none is given."""
    choices = argument.get_choices()
    default = argument.show_default
    if callable(default):
        default = default(argument.field_info.default)
    notes = [
        f"[choices: {', '.join(choices)}]" if choices else "",
        f"[default: {default}]" if default else "",
        "[required]" if argument.required and argument.index is None else "",
    ]
    # A short note is kept on one line.
    glued = (note.replace(" ", _NO_BREAK) if len(note) < _SHORT_NOTE else note for note in notes if note)
    said = argument.parameter.help or ""
    return "".join([said, "" if said.endswith("\n") else " ", " ".join(glued)])


def _value_word(argument: "Argument") -> str:
    """What stands for the value of a flag; nothing for a switch."""
    if argument.parameter.metavar is not None:
        return argument.parameter.metavar
    kind = argument.resolved_hint
    if kind is bool:
        return ""
    return "CHOICE" if argument.get_choices() else {int: "N", float: "N", Path: "PATH"}.get(kind, "TEXT")
