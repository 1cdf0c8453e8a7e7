"""A benchmark's report as text of at most 120 columns, the same on a terminal and in a file."""

from collections.abc import Sequence
from itertools import groupby
from textwrap import wrap
from typing import Any

_WIDTH = 120
_NOTES = (
    "rows/s: median, lowest and highest of the runs; spread: highest less lowest, in the median.",
    "ours/it: the first line's rows/s over this line's, the median of the ratios within each round.",
    "first: the first call, not counted, in seconds; MiB: peak memory of a process that does it once, libraries and all.",
    "(ceiling) does less than the task needs.",
)


def render(report: dict[str, Any]) -> str:
    """The report as text."""
    paragraphs = [
        "\n".join(_data_line(data) for data in report["data"]),
        *(_section(section) for section in report["sections"]),
    ]
    if report["sections"]:
        paragraphs.append("\n".join(_NOTES))
    if report["growth"]:
        paragraphs.append(_growth(report["growth"]))
    paragraphs.append(_machine(report))
    return "\n\n".join(paragraphs)


def _data_line(data: dict[str, Any]) -> str:
    repeated = f", {data['num_once']:,} repeated" if data["num_rows"] > data["num_once"] else ""
    return f"data: {data['title']}, {data['num_rows']:,} rows{repeated}, {data['num_bytes'] / 1e6:,.1f} MB of CSV"


def _section(section: dict[str, Any]) -> str:
    results = section["results"]
    has_accuracy = any(result["accuracy"] is not None for result in results)
    names = [
        "rows/s",
        "lowest",
        "highest",
        "spread",
        "ours/it",
        "first",
        "MiB",
        *(["accuracy"] if has_accuracy else []),
    ]
    rows = [[section["title"], *names]]
    for result in results:
        peak, accuracy, ratio = result["peak_mebibytes"], result["accuracy"], result["ours_against_it"]
        rows.append(
            [
                f"  {result['name']}{' (ceiling)' if result['role'] == 'ceiling' else ''}",
                *(_short(result[name]) for name in ("rows_per_second", "lowest", "highest")),
                f"{result['spread']:.0%}",
                "-" if ratio is None else f"{ratio:.3g}",
                f"{result['first_call_seconds']:.2f}",
                "-" if peak is None else f"{peak:,.0f}",
                *(["-" if accuracy is None else f"{accuracy:.2%}"] if has_accuracy else []),
            ]
        )
    absent = [f"  {name}: {reason}" for name, reason in section["left_out"].items()]
    return "\n".join([*_aligned(rows), *absent])


def _growth(lines: Sequence[dict[str, Any]]) -> str:
    rows = [["growth, whole processes", "rows", "MB", "seconds", "rows/s", "s/million rows", "MiB"]]
    spans = []
    for job, of_job in groupby(lines, key=lambda line: str(line["job"])):
        same = list(of_job)
        for line in same:
            peak = line["peak_mebibytes"]
            rows.append(
                [
                    f"  jobs.{job}",
                    f"{line['rows']:,}",
                    f"{line['megabytes']:,.1f}",
                    f"{line['seconds']:.2f}",
                    _short(line["rows_per_second"]),
                    f"{line['seconds_per_million_rows']:.2f}",
                    "-" if peak is None else f"{peak:,.0f}",
                ]
            )
        spans += [_span(job, same[0], same[-1])] if len(same) > 1 else []
    return "\n".join([*_aligned(rows), *spans])


def _span(job: str, first: dict[str, Any], last: dict[str, Any]) -> str:
    def times(name: str) -> str:
        return f"{last[name] / first[name]:.3g}"

    further = (last["seconds"] - first["seconds"]) / max(1, last["rows"] - first["rows"]) * 1e6
    memory = f", memory {times('peak_mebibytes')}" if first["peak_mebibytes"] and last["peak_mebibytes"] else ""
    factors = f"rows {times('rows')}, seconds {times('seconds')}{memory}"
    return f"  jobs.{job}, last size over first: {factors}; {further:.2f} s/million rows more"


def _machine(report: dict[str, Any]) -> str:
    machine = dict(report["machine"])
    machine |= machine.pop("versions")
    said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items())
    runs = f"{report['runs']} runs in turn; " if report["sections"] else ""
    return "\n".join([f"{runs}{report['seconds']:.0f} seconds in all", *wrap(said, _WIDTH)])


def _short(number: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.4g}{unit}"
    return f"{number:.4g}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
