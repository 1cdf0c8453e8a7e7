"""A command line, the environment and a config file become a job's config.

Values come from the dataclass's defaults, then `--config FILE.toml`, then `CHARMILL_*` variables, then flags.
"""

import os
import tomllib
from collections.abc import Sequence
from dataclasses import MISSING, fields
from difflib import get_close_matches
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar, cast

from cyclopts import App, ArgumentCollection, CycloptsError, Parameter, UnknownOptionError, convert
from cyclopts.config import Dict, Env

from jobs.cli.flags import STDIN_TOKEN, ShownConfig
from jobs.cli.help import ALL_FLAG, HELP_FLAGS, RUNNING, group_of, help_page, plain_default, print_help, program, usage
from jobs.cli.mistakes import explain
from jobs.cli.process import until_unread
from pipeline.errors import UsageError, from_os_error

ENV_PREFIX = "CHARMILL_"


class Config(Protocol):
    """What a job's config has in common with all others."""

    @property
    def common(self) -> ShownConfig:
        """The common flags."""
        ...


C = TypeVar("C", bound=Config)


def make_app(name: str, config_type: type[C], **options: Any) -> App:
    """What parses the command line of a job.

    Args:
        name: What help and completion call the command.
        config_type: The job's config, a dataclass.
        options: More options of cyclopts' `App`.
    """
    app = App(
        name=name,
        help=config_type.__doc__,
        help_flags=sorted(HELP_FLAGS),
        group_parameters=group_of(RUNNING),
        help_format="plaintext",
        version_flags=[],
        default_parameter=Parameter(converter=_convert, show_default=plain_default),
        result_action="return_value",
        **options,
    )

    def command(config: C) -> C:
        return config

    command.__annotations__ = {"config": Annotated[config_type, Parameter(name="*")], "return": config_type}
    if all(
        field.default is not MISSING or field.default_factory is not MISSING
        for field in fields(cast("Any", config_type))
    ):
        command.__defaults__ = (config_type(),)  # cyclopts wants it where no flag is required.
    app.default(command)
    return app


def parse(name: str, config_type: type[C], tokens: Sequence[str]) -> C | None:
    """Make a config; None where help was asked for and printed.

    Args:
        name: As in ``python -m jobs.NAME``, or ``NAME COMMAND``.
        config_type: The job's config, a dataclass; its docstring is the command's help.
        tokens: The command line after the name.

    Raises:
        UsageError: A value is wrong, or the config file cannot be read.
    """
    asked = HELP_FLAGS & set(takewhile(lambda token: token != "--", tokens))
    if asked:
        arguments = make_app(program(name), config_type).assemble_argument_collection(parse_docstring=True)
        with until_unread():
            print_help(help_page(name, config_type, arguments, everything=ALL_FLAG in asked))
        return None
    arguments = make_app(program(name), config_type).assemble_argument_collection()
    sources: list[Env | Dict] = [Env(ENV_PREFIX, command=False), *_config_file(name, tokens, arguments)]
    app = make_app(program(name), config_type, config=[_refuse_named, *(partial(_fill, source) for source in sources)])
    quoted = [STDIN_TOKEN if token == "-" else token for token in _complete(tokens, arguments)]
    try:
        return cast("C", app(quoted, exit_on_error=False, print_error=False))
    except CycloptsError as error:
        said = explain(error, usage(name, arguments))
        raise UsageError(f"{said}{'' if said.endswith(('.', '?')) else '.'} See {program(name)} --help") from error


def _complete(tokens: Sequence[str], arguments: ArgumentCollection) -> list[str]:
    """Give flags whose value may be left out, `--NAME [A|B]` in help, the first one where they stand alone, and none for `--no-NAME`."""
    completed = list(tokens)
    for argument in arguments:
        word, choices = argument.parameter.metavar or "", argument.get_choices(force=True) or ()
        for index, token in enumerate(tokens):
            following = "".join(tokens[index + 1 : index + 2])
            alone = following not in choices
            if word.startswith("[") and token in argument.names and alone:
                if not Path(following).exists() and (meant := get_close_matches(following, choices, n=1)):
                    raise UsageError(
                        f"{token}: expected {' or '.join(choices)}, got {following}; did you mean {meant[0]}?"
                    )
                completed[index] = f"{token}={word.strip('[]').partition('|')[0]}"
            elif word.startswith("[") and token == f"--no-{argument.name.removeprefix('--')}":
                completed[index] = f"{argument.name}=none"
    return completed


def _refuse_named(_app: App, _commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Refuse what is positional as a flag, which cyclopts would take."""
    for argument in arguments:
        for token in argument.tokens if argument.index is not None else ():
            if token.keyword is not None:
                raise UnknownOptionError(token=token, argument_collection=arguments)


def _fill(source: Env | Dict, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Take values of flags from a source; what is positional stands on the command line, and CHARMILL_TEXT is no text to classify."""
    source(app, commands, ArgumentCollection(each for each in arguments if each.index is None))  # type: ignore[no-untyped-call]


def _convert(kind: Any, tokens: Sequence[Any]) -> Any:
    """Convert as cyclopts does, but for a lone hyphen, and for whole numbers, of which it would round what has a decimal point."""
    tokens = [token.evolve(value="-") if token.value == STDIN_TOKEN else token for token in tokens]
    whole = kind is int or int in getattr(kind, "__args__", ())
    for token in tokens if whole else ():
        if "." in token.value:
            raise ValueError(f"expected a whole number, got {token.value}")
    return convert(kind, tokens)


def _config_file(name: str, tokens: Sequence[str], arguments: ArgumentCollection) -> list[Dict]:
    """The values of a TOML file for a job: those at its top level, then those in its table.

    A command of a job takes from the job's table what it has a flag for.
    """
    job, _, command = name.partition(" ")
    path = os.environ.get(f"{ENV_PREFIX}CONFIG", "")
    for index, token in enumerate(tokens):
        if token == "--config" and index + 1 < len(tokens):
            path = tokens[index + 1]
        elif token.startswith("--config="):
            path = token.removeprefix("--config=")
    if not path:
        return []
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise from_os_error(error, "read", path) from error
    except ValueError as error:
        raise UsageError(f"{path}: it is not TOML: {error}", path=path) from error
    table = content.get(job, {})
    values = {key: value for key, value in content.items() if not isinstance(value, dict)}
    if isinstance(table, dict):
        values |= table
    if command:
        known = {flag.lstrip("-").replace("-", "_") for argument in arguments for flag in argument.names}
        values = {key: value for key, value in values.items() if key.replace("-", "_") in known}
    return [Dict(values, source=path)]
