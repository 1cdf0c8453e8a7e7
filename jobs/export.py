"""``python -m jobs.export``: a run in, one ONNX file out, verified."""

import time
from dataclasses import KW_ONLY, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from jobs.cli.command import run_command
from jobs.cli.compiling import says_what_compiles
from jobs.cli.flags import CommonConfig
from jobs.cli.help import INPUT, OUTPUT
from pipeline.errors import MissingError


@Parameter(name="*")
@dataclass(frozen=True)
class ExportConfig:
    """Turn a run into an ONNX file, to be served by other programs. Needs no torch.

    Examples:
        export data/ag-run --onnx data/ag.onnx
    """

    run: Annotated[Path, INPUT, Parameter(name="RUN", help="The trained run: the folder that train wrote.")]
    _: KW_ONLY
    onnx: Annotated[Path, OUTPUT, Parameter(metavar="FILE")]
    "The file to write: codes uint8 [N, max_length] in, probabilities float32 [N, classes] out."
    common: CommonConfig = field(default_factory=CommonConfig)


@says_what_compiles
def run(config: ExportConfig) -> dict[str, Any]:
    """Export.

    Raises:
        CharmillError: Nothing was published.
    """
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise MissingError(
            f"exporting needs {', '.join(missing)}: pip install '.[export]' in charmill's checkout; scoring does without"
        )
    from jobs.cli.console import metered
    from model.architectures.onnx_graph import OPSET
    from model.export.onnx_file import export_onnx
    from model.runs.model_file import read_model
    from pipeline.storage.publish import require_new_file

    started = time.monotonic()
    require_new_file(config.onnx, overwrite=config.common.overwrite, flag="--onnx", example="model.onnx")
    model = read_model(config.run)
    with metered(config.common.log, "export", 1) as meter:

        def show(done: int, total: int) -> None:
            meter.update(done / total, lambda: {"rows compared": done})

        exported = export_onnx(config.run, model, config.onnx, num_threads=config.common.num_threads, on_rows=show)
    return {
        "model": model.fingerprint,
        "architecture": model.architecture.name,
        "profile": model.profile.to_json(),
        "opset": OPSET,
        "bytes": exported.num_bytes,
        "rows_verified": exported.num_rows,
        "max_difference": exported.max_difference,
        "outputs": [str(config.onnx)],
        "seconds": round(time.monotonic() - started, 3),
    }


def render(report: dict[str, Any]) -> str:
    """The report as text."""
    from jobs.cli.console import table

    profile = report["profile"]
    return table(
        {
            "model": f"{report['model']}, {report['architecture']}",
            "profile": f"{profile['name']}, {profile['max_length']} codes a row ({profile['fingerprint']})",
            "ONNX opset": report["opset"],
            "bytes": report["bytes"],
            "rows verified": report["rows_verified"],
            "largest difference": f"{report['max_difference']:.1e} from the folded engine's probabilities",
            "seconds": report["seconds"],
            "files": report["outputs"],
        }
    )


def main() -> None:
    """Run the command."""
    run_command("export", ExportConfig, run, render)


if __name__ == "__main__":
    main()
