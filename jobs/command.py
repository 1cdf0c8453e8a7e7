"""How a job becomes a command: flags, config files, environment, exit codes and one-line errors. For jobs only.

Values come from the dataclass's defaults, then `--config FILE.toml`, then `CHARMILL_*` variables, then flags. Nothing here imports torch,
numba or polars, so `--help` stays quick; jobs import what they need within `run`.
"""

import io
import os
import signal
import stat
import sys
import tempfile
import threading
import tomllib
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, Protocol, TypeVar, cast

from cyclopts import App, CycloptsError, Parameter, convert
from cyclopts.config import Dict, Env

from pipeline.errors import EXIT_INTERRUPTED, CharmillError, UsageError, from_os_error

ENV_PREFIX = "CHARMILL_"
_STDIN_TOKEN = "(standard input)"  # cyclopts takes a lone hyphen for an option.
_AGAIN_SECONDS = 0.05
_THREAD_VARIABLES = (
    "POLARS_MAX_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ShownConfig:
    """Flags that every command takes."""

    config: Path | None = None
    "A TOML file with values for these flags, at its top level or in a table named like the job."
    log: Literal["text", "json"] = "text"
    "Form of the log lines on standard error."
    json: bool = False
    "Print the result as one JSON object instead of a table."
    debug: bool = False
    "Show the traceback of an error."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CommonConfig(ShownConfig):
    """Flags that every job takes."""

    threads: int = 0
    "Threads to use; 0 for all cores."
    overwrite: bool = False
    "Replace what is in the place of an output already."

    def __post_init__(self) -> None:
        if self.threads < 0:
            raise UsageError(f"--threads {self.threads}: expected 0 or more")

    @property
    def num_threads(self) -> int:
        """Threads to use, at least 1."""
        if self.threads:
            return self.threads
        if hasattr(os, "sched_getaffinity"):  # Not on macOS; where it is, it knows of containers and taskset.
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1


def _convert(kind: Any, tokens: Sequence[Any]) -> Any:
    """As cyclopts does, but for whole numbers, of which it would round what has a decimal point."""
    whole = kind is int or int in getattr(kind, "__args__", ())
    for token in tokens if whole else ():
        if "." in token.value:
            raise ValueError(f"expected a whole number, got {token.value}.")
    return convert(kind, tokens)


def _from_token(_type: Any, tokens: Sequence[Any]) -> tuple[str, ...]:
    return tuple("-" if token.value == _STDIN_TOKEN else token.value for token in tokens)


CsvPaths = Annotated[
    tuple[str, ...],
    Parameter(
        help="CSV files or glob patterns, plain, .gz or .zst; - is standard input.", negative=(), converter=_from_token
    ),
]


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
    signal.signal(signal.SIGTERM, _interrupt)
    _settle_streams()
    if tokens is None:
        sys.unraisablehook = _deliver_again
    try:
        config = parse(name, config_type, given)
        if config is None:
            return
        if isinstance(config.common, CommonConfig):
            _limit_threads(config.common.num_threads)
            _settle_kernel_cache()
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
    from jobs.console import print_result

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
        default_parameter=Parameter(converter=_convert),
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
    quoted = [_STDIN_TOKEN if token == "-" else token for token in tokens]
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


def _limit_threads(count: int) -> None:
    """Tell the libraries, which read these when they are imported."""
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(count)
    # Threads that spin while they wait starve each other where another process wants the cores too: with one beside it, a training step
    # on 2 cores took 40 to 60 ms like this and 160 to 210 ms spinning. On cores of its own, sleeping costs 4 % (ngram) to 25 % (charcnn).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _settle_streams() -> None:
    """Let there be standard streams to write to, which take any character: a service may have none, or an ASCII locale."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  # for the life of the process
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _settle_kernel_cache() -> None:
    """Tell Numba where to keep compiled kernels if neither the packages' folder nor the home can be written, as for a service's user.

    The folder in the temporary directory must be this user's alone, since what is in it is run.
    """
    packages = Path(__file__).parent.parent / "pipeline"
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    if "NUMBA_CACHE_DIR" in os.environ or _can_write(packages / "__pycache__") or _can_write(home / "numba"):
        return
    folder = Path(tempfile.gettempdir()) / f"charmill-kernels-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        folder = Path(tempfile.mkdtemp(prefix="charmill-kernels-"))
    os.environ["NUMBA_CACHE_DIR"] = str(folder)


def _can_write(folder: Path) -> bool:
    """Whether a folder can be written, or made."""
    while not folder.exists() and folder.parent != folder:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)


def _deliver_again(unraisable: Any) -> None:
    """Interrupt once more, a little later, where an interrupt hit code that Python lets nothing be raised from, such as a finalizer."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(unraisable)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


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
    from jobs.console import one_line

    with suppress(OSError):
        print(f"error: {one_line(message)}", file=sys.stderr, flush=True)  # noqa: T201
    return code
