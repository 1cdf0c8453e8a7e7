"""The set-up of a process that runs a job: signals, standard streams, and what libraries look for when they are imported."""

import io
import os
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

_AGAIN_SECONDS = 0.05

_THREAD_VARIABLES = (
    "POLARS_MAX_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def prepare_process(*, is_own: bool) -> None:
    """Set up signals and standard streams: before the command line is read, for that can fail or be interrupted already.

    Args:
        is_own: The process is there for this job alone, so its last hooks may be taken too.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    _provide_streams()
    if is_own:
        sys.unraisablehook = _repeat_interrupt


def prepare_libraries(num_threads: int, *, reads: bool) -> None:
    """Set up what Polars, Numba, BLAS and torch look for when they are imported: before they are.

    Args:
        num_threads: For each of them.
        reads: The job reads inputs, which may be pipes, so Ctrl-C must end a read that waits. This imports Polars.
    """
    _limit_threads(num_threads)
    _choose_kernel_cache()
    if reads:
        _end_waits_on_interrupt()


@contextmanager
def until_unread() -> Iterator[None]:
    """Write to standard output; where nobody reads it any more, as behind ``| head``, the rest is left out without a word."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Handle a signal as Ctrl-C is handled."""
    raise KeyboardInterrupt


def _provide_streams() -> None:
    """Let there be standard streams to write to, which take any character: a service may have none, or an ASCII locale."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  # for the life of the process
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _repeat_interrupt(unraisable: Any) -> None:
    """Interrupt once more, a little later, where an interrupt hit code that Python lets nothing be raised from, such as a finalizer."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(unraisable)


def _end_waits_on_interrupt() -> None:
    """Let an interrupt end a system call that waits for a pipe or a thread, as CPython does; Polars' handler lets it go on waiting."""
    import polars  # noqa: F401, ICN001  # it installs that handler when it is imported, so this comes after it

    signal.siginterrupt(signal.SIGINT, True)


def _limit_threads(count: int) -> None:
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(count)
    # Threads that spin while they wait starve each other where another process wants the cores too: with one beside it, a training step
    # on 2 cores took 40 to 60 ms like this and 160 to 210 ms spinning. On cores of its own, sleeping costs 4 % (ngram) to 25 % (charcnn).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _choose_kernel_cache() -> None:
    """Tell Numba where to keep compiled kernels if neither the packages' folder nor the home can be written, as for a service's user.

    The folder in the temporary directory must be this user's alone, since what is in it is run.
    """
    packages = Path(__file__).parents[2] / "pipeline"
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
