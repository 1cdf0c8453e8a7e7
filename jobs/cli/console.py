"""What a person or a machine sees: the result on standard output, progress and logs on standard error."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from pipeline.execution.meter import Figures, Meter

BAR_SECONDS = 0.1


def make_log(form: str) -> Any:
    """A logger on standard error, ``text`` or ``json``."""
    import structlog  # It takes 50 ms, which `--help` does without.

    is_json = form == "json"
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt=_time_format(is_json=is_json), utc=is_json),
            *([_head_first, structlog.processors.JSONRenderer()] if is_json else [_text_line]),
        ],
        logger_factory=_StderrLogger,
    )
    return structlog.get_logger()


def _time_format(*, is_json: bool) -> str:
    """Of log lines: with the date where they are kept in a file."""
    if is_json:
        return "iso"
    return "%H:%M:%S" if sys.stderr.isatty() else "%Y-%m-%dT%H:%M:%S"


class _StderrLogger:
    """Writes lines to standard error, and goes on where nobody reads it any more: the work matters more than its log."""

    def info(self, line: str) -> None:
        with suppress(OSError):
            print(line, file=sys.stderr, flush=True)  # noqa: T201


def _head_first(_logger: object, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    return {name: event.pop(name) for name in ("timestamp", "level", "event")} | dict(event)


def _text_line(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """Time, what happened, and the figures in the order in which they were given; the same on every line, so columns can be cut."""
    time_of_day, title = event.pop("timestamp"), event.pop("event")
    event.pop("level")
    return one_line(
        "  ".join([f"{time_of_day} {title}", *(f"{name} {_figure(value)}" for name, value in event.items())])
    )


def one_line(text: str) -> str:
    """Text from outside, such as a file name, with nothing in it that a terminal would obey."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _figure(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


@contextmanager
def metered(
    form: str, title: str, total: float, *, line_seconds: float = 5.0, with_bar: bool = True
) -> Iterator[Meter]:
    """Show a live bar on a terminal, and a log line now and then otherwise; ``partial(metered, form)`` opens the meters of a job.

    Args:
        form: Of the log lines, ``text`` or ``json``.
        title: What is being done.
        total: What `done` will reach; 0 where it is not known.
        line_seconds: Between two log lines.
        with_bar: There may be a bar: nothing else is written to the terminal.
    """
    if with_bar and sys.stderr.isatty() and form == "text":
        with _bar(title, total) as meter:
            yield meter
    else:
        yield _LineMeter(make_log(form), title, total, line_seconds, is_json=form == "json")


class _LineMeter:
    """Writes log lines."""

    def __init__(self, log: Any, title: str, total: float, line_seconds: float, *, is_json: bool) -> None:
        self._log = log
        self._line_seconds = line_seconds
        self._is_json = is_json
        self._title = title
        self._total = total
        self._started = self._shown = time.monotonic()

    def update(self, done: float, figures: Callable[[], Figures]) -> None:
        now = time.monotonic()
        if now - self._shown < self._line_seconds:
            return
        self._shown = now
        known: dict[str, Any] = {}
        if self._total and done:
            share = min(1.0, done / self._total)
            left = (now - self._started) * (1 - share) / share
            if self._is_json:
                known = {"done": round(share, 4), "seconds_left": round(left, 1)}
            else:
                known = {"done": f"{share:.0%}", "left": _clock(left)}
        self._log.info(self._title, **known, **figures())

    def note(self, event: str, **figures: Any) -> None:
        self._log.info(event, **figures)


@contextmanager
def _bar(title: str, total: float) -> Iterator[Meter]:
    """A bar that is gone when it is done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),  # Where it is narrow, the bar gives way.
        console=Console(stderr=True),
        transient=True,
    )
    with progress:
        yield _BarMeter(progress, progress.add_task(title, total=total or None, figures=""))


class _BarMeter:
    """Moves a bar; lines that stay go above it."""

    def __init__(self, progress: Any, task: Any) -> None:
        self._progress = progress
        self._task = task
        self._shown = 0.0

    def update(self, done: float, figures: Callable[[], Figures]) -> None:
        now = time.monotonic()
        if now - self._shown < BAR_SECONDS:
            return
        self._shown = now
        shown = "  ".join(f"{name} {_figure(value)}" for name, value in figures().items())
        self._progress.update(self._task, completed=done, figures=shown)

    def note(self, event: str, **figures: Any) -> None:
        shown = [event, *(f"{name} {_figure(value)}" for name, value in figures.items())]
        self._progress.console.print(one_line("  ".join(shown)), markup=False, highlight=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def print_result(
    report: dict[str, Any], *, as_json: bool, render: Callable[[dict[str, Any]], str], file: TextIO | None = None
) -> None:
    """Print a report: one JSON object, or the text that `render` makes of it.

    Args:
        report: The report.
        as_json: As JSON.
        render: Report in, text out.
        file: Where to; by default on standard output.
    """
    print(json.dumps(report, ensure_ascii=False) if as_json else render(report), file=file, flush=True)


def table(rows: Mapping[str, Any]) -> str:
    """Two aligned columns, numbers with thousands separators."""
    width = max(map(len, rows), default=0)
    return "\n".join(f"{name:<{width}}  {_shown(value)}" for name, value in rows.items())


def columns(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of the same names as aligned columns under a line of the names, numbers to the right."""
    names = list(rows[0])
    cells = [[_shown(row[name]) for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    numeric = [any(isinstance(row[name], int | float) for row in rows) for name in names]
    lines = []
    for line in (names, *cells):
        padded = zip(line, widths, numeric, strict=True)
        lines.append(
            "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in padded).rstrip()
        )
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return str(value)
