"""``python -m jobs.report``: runs in, one HTML file out, with one run's report rendered anew or several runs side by side."""

import time
from dataclasses import KW_ONLY, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from jobs.cli.accuracies import accuracy_fields, accuracy_text
from jobs.cli.command import run_command
from jobs.cli.flags import CommonConfig
from jobs.cli.help import INPUT, OUTPUT
from pipeline.errors import MissingError


@Parameter(name="*")
@dataclass(frozen=True)
class ReportConfig:
    """Lay runs beside each other in one HTML file that opens offline, or render the report of a single run anew. Needs no torch.

    Examples:
        report data/ag-run data/ag-seed --out data/report.html
    """

    runs: Annotated[
        tuple[Path, ...],
        INPUT,
        Parameter(name="RUN", help="Trained runs, at most 8: the folders that train wrote.", negative=()),
    ]
    _: KW_ONLY
    out: Annotated[Path, OUTPUT, Parameter(alias="-o", metavar="FILE")]
    "The HTML file to write."
    common: CommonConfig = field(default_factory=CommonConfig)


def run(config: ReportConfig) -> dict[str, Any]:
    """Render the page of one run or several, and report.

    Raises:
        CharmillError: Nothing was published.
    """
    missing = [name for name in ("jinja2", "matplotlib") if find_spec(name) is None]
    if missing:
        raise MissingError(
            f"reports need {', '.join(missing)}: pip install '.[report]' in charmill's checkout; encoding and scoring do without"
        )
    from dataclasses import replace

    from model.reports.comparison import names_apart, render_comparison, what_differs
    from model.reports.run_report import render_report
    from model.runs.record import read_run
    from pipeline.storage.durable import write_durably
    from pipeline.storage.publish import publish_file, require_new_file
    from pipeline.storage.staging import staging

    started = time.monotonic()
    _require_few(config)
    names = names_apart(config.runs)
    require_new_file(config.out, overwrite=config.common.overwrite, example="report.html")
    records = [replace(read_run(folder), name=name) for folder, name in zip(config.runs, names, strict=True)]
    page = render_report(records[0]) if len(records) == 1 else render_comparison(records)
    with staging(config.out) as folder:
        staged = folder / "page.html"
        write_durably(staged, lambda file: file.write(page))
        publish_file(staged, config.out)
    return {
        "runs": [
            {
                "name": record.name,
                "model": record.model.fingerprint,
                "dataset": record.model.dataset_fingerprint,
                "trained": record.history[-1]["finished"],
                **accuracy_fields("valid_accuracy", record.evaluation.accuracy),
                "valid_macro_f1": record.evaluation.macro_f1,
                **accuracy_fields(
                    "baseline_accuracy", baseline.accuracy if (baseline := record.evaluation.baseline) else None
                ),
            }
            for record in records
        ],
        "comparable": not what_differs(records),
        "differs": what_differs(records),
        "outputs": [str(config.out)],
        "seconds": round(time.monotonic() - started, 3),
    }


def _require_few(config: ReportConfig) -> None:
    from model.reports.comparison import MOST_RUNS
    from pipeline.errors import UsageError

    if not 1 <= len(config.runs) <= MOST_RUNS:
        raise UsageError(
            f"{len(config.runs)} runs: expected 1 to {MOST_RUNS}, which can still be told apart; compare fewer of them"
        )


def render(report: dict[str, Any]) -> str:
    """The report as text."""
    from jobs.cli.console import table

    rows = {
        f"{run['name']}": f"{accuracy_text(run, 'valid_accuracy')} held out, dataset {run['dataset']}"
        for run in report["runs"]
    }
    if report["differs"]:
        rows["warning"] = f"the {report['differs']} differ, so accuracies and macro-F1 cannot be compared"
    return table(rows | {"seconds": report["seconds"], "files": report["outputs"]})


def main() -> None:
    """Run the command."""
    run_command("report", ReportConfig, run, render)


if __name__ == "__main__":
    main()
