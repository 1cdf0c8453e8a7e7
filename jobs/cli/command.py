"""How a job becomes a command: flags, config files, environment, exit codes and one-line errors. For jobs only.

Values come from the dataclass's defaults, then `--config FILE.toml`, then `CHARMILL_*` variables, then flags. Nothing here imports torch,
numba or polars, so `--help` stays quick; jobs import what they need within `run`.
"""

import os
import signal
import sys
import tomllib
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar, cast

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Dict, Env

from jobs.cli.flags import STDIN_TOKEN, CommonConfig, ShownConfig, convert_token
from jobs.cli.process import deliver_again, interrupt, limit_threads, settle_kernel_cache, settle_streams
from pipeline.errors import EXIT_INTERRUPTED, CharmillError, UsageError, from_os_error

ENV_PREFIX = "CHARMILL_"


class Config(Protocol):
    """What a job's config has in common with all others."""

    @property
    def common(self) -> ShownConfig:
        """The common flags."""
        ...


C = TypeVar("C", bound=Config)


def run_command(
    name: str,
    config_type: type[C],
    run: Callable[[C], dict[str, Any]],
    render: Callable[[dict[str, Any]], str],
    tokens: list[str] | None = None,
) -> None:
    """Run a job as a command and exit with its code.

    Args:
        name: As in ``python -m jobs.NAME``, or ``NAME COMMAND``.
        config_type: The job's config; its docstring is the command's help.
        run: Config in, report out.
        render: Report in, the text a person reads out.
        tokens: The command line; by default the process's own.
    """
    given = sys.argv[1:] if tokens is None else tokens
    signal.signal(signal.SIGTERM, interrupt)
    settle_streams()
    if tokens is None:
        sys.unraisablehook = deliver_again
    try:
        config = parse(name, config_type, given)
        if config is None:
            return
        if isinstance(config.common, CommonConfig):
            limit_threads(config.common.num_threads)
            settle_kernel_cache()
        try:
            _print(run(config), config, render)
        except CharmillError as error:
            if error.report is not None:
                _print(dict(error.report), config, render)
            raise
    except BaseException as error:  # noqa: BLE001  # the edge of the program: everything becomes an exit code here
        debug = "--debug" in given or os.environ.get(f"{ENV_PREFIX}DEBUG", "") not in {"", "0", "false"}
        code = _report(error, debug=debug)
        if code == EXIT_INTERRUPTED and tokens is None:
            # Python remembers an interrupt that hit an import, however it was handled, and would end by its signal and not by the code.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)


def _print(report: dict[str, Any], config: Config, render: Callable[[dict[str, Any]], str]) -> None:
    from jobs.cli.console import print_result

    try:
        print_result(report, as_json=config.common.json, render=render)
    except BrokenPipeError:  # Nobody reads the result; the work is done all the same.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parse(name: str, config_type: type[C], tokens: list[str]) -> C | None:
    """Make a config of a command line, the environment and a config file; None where help was asked for and printed.

    Raises:
        CharmillError: A value is wrong.
    """
    app = App(
        name=f"python -m jobs.{name}",
        help=config_type.__doc__,
        help_format="plaintext",
        version_flags=[],
        config=[Env(ENV_PREFIX, command=False), *_config_file(name.partition(" ")[0], tokens)],
        default_parameter=Parameter(converter=convert_token),
        result_action="return_value",
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
    quoted = [STDIN_TOKEN if token == "-" else token for token in tokens]
    try:
        result = app(quoted, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        message = " ".join(str(error).split())
        raise UsageError(f"{message} See python -m jobs.{name} --help") from error
    return result if isinstance(result, config_type) else None


def _config_file(name: str, tokens: list[str]) -> list[Dict]:
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
    table = content.get(name, {})
    values = {key: value for key, value in content.items() if not isinstance(value, dict)}
    if isinstance(table, dict):
        values |= table
    return [Dict(values, source=path)]


def _report(error: BaseException, *, debug: bool) -> int:
    """Say on standard error what went wrong, in one line, and return the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    if debug:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        message, code = "interrupted; nothing half-finished was published", EXIT_INTERRUPTED
    elif isinstance(error, CharmillError):
        message, code = str(error), error.exit_code
    elif isinstance(error, OSError):
        converted = from_os_error(error, "go on", error.filename or "input/output")
        message, code = str(converted), converted.exit_code
    elif isinstance(error, MemoryError):
        message, code = "out of memory; give it more, or fewer --threads", 75
    else:
        message = f"internal error: {type(error).__name__}: {' '.join(str(error).split())}; --debug shows where; please report it"
        code = CharmillError.exit_code
    from jobs.cli.console import one_line

    with suppress(OSError):
        print(f"error: {one_line(message)}", file=sys.stderr, flush=True)  # noqa: T201
    return code
