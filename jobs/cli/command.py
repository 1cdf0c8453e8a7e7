"""A job as a command: the result on standard output, one line for an error, an exit code.

Nothing here imports torch, numba or polars before the command line is read, so `--help` stays quick; jobs import what they need in `run`.
"""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import jobs.cli.shadows  # noqa: F401  # Before any package that may be shadowed.
from jobs.cli.flags import ThreadsConfig
from jobs.cli.parse import ENV_PREFIX, C, Config, parse
from jobs.cli.process import prepare_libraries, prepare_process, until_unread
from pipeline.errors import EXIT_INTERRUPTED, CharmillError, TemporaryError, from_os_error


def run_command(
    name: str,
    config_type: type[C],
    run: Callable[[C], dict[str, Any] | None],
    render: Callable[[dict[str, Any]], str],
    tokens: list[str] | None = None,
    *,
    reads: bool = False,
) -> None:
    """Run a job as a command and exit with its code.

    Args:
        name: As in ``python -m jobs.NAME``, or ``NAME COMMAND``.
        config_type: The job's config; its docstring is the command's help.
        run: Config in, report out; None where standard output has the result already.
        render: Report in, the text a person reads out.
        tokens: The command line; by default the process's own.
        reads: The job reads inputs, which may be pipes; Ctrl-C ends it while it waits for one.
    """
    given = sys.argv[1:] if tokens is None else tokens
    prepare_process(is_own=tokens is None)
    try:
        config = parse(name, config_type, given)
        if config is None:
            return
        if isinstance(config.common, ThreadsConfig):
            prepare_libraries(config.common.num_threads, reads=reads)
        try:
            report = run(config)
            if report is not None:
                _print(report, config, render)
        except CharmillError as error:
            if error.report is not None:
                _print(dict(error.report), config, render)
            raise
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001  # the edge of the program: everything becomes an exit code here
        debug = "--debug" in given or os.environ.get(f"{ENV_PREFIX}DEBUG", "") not in {"", "0", "false"}
        code = _explain(error, debug=debug)
        if code == EXIT_INTERRUPTED and tokens is None:
            # Python remembers an interrupt that hit an import, however it was handled, and would end by its signal and not by the code.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)


def _print(report: dict[str, Any], config: Config, render: Callable[[dict[str, Any]], str]) -> None:
    from jobs.cli.console import print_result

    file = sys.stderr if getattr(config, "result_on_stderr", False) else sys.stdout
    with until_unread():  # The work is done all the same.
        print_result(report, as_json=config.common.json, render=render, file=file)


def _explain(error: BaseException, *, debug: bool) -> int:
    """Say on standard error what went wrong, in one line, and return the exit code."""
    from jobs.cli.console import one_line

    if debug:
        traceback.print_exception(error)
    notes = list(getattr(error, "__notes__", []))  # What was done all the same.
    if isinstance(error, OSError):
        error = from_os_error(error, "go on", error.filename or "input/output")
    if isinstance(error, KeyboardInterrupt):
        notes = notes or ["nothing half-finished was published"]
        message, code = "interrupted", EXIT_INTERRUPTED
    elif isinstance(error, CharmillError):
        message, code = str(error), error.exit_code
    elif isinstance(error, MemoryError):
        message, code = "out of memory; give it more, or fewer --threads", TemporaryError.exit_code
    else:
        message = f"internal error: {type(error).__name__}: {' '.join(str(error).split())}; --debug shows where; please report it"
        code = CharmillError.exit_code
    with suppress(OSError):
        print(f"error: {one_line('; '.join([message, *notes]))}", file=sys.stderr, flush=True)  # noqa: T201
    return code
