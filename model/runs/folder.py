"""A run's folder on one page: the files that it has, and when a training may begin, go on or start over there.

RUN/
├── model.json          what the model is and takes; written last, a folder without it is not a finished run
├── model.safetensors   the weights, float32, by the names of the network's modules
├── training_texts.npy  hashes of the training texts, so that scoring them is not taken for a test
├── evaluation.json     what was measured on the held-out rows
├── metrics.jsonl       a line an epoch
├── config.toml         every flag of the training, resolved; `--config` takes it
├── report.html         one file that opens offline
└── checkpoints/        last.safetensors, from which --resume goes on
"""

from pathlib import Path

from pipeline.errors import UsageError
from pipeline.storage.publish import require_local

MODEL_JSON = "model.json"
EVALUATION_JSON = "evaluation.json"
METRICS_JSONL = "metrics.jsonl"
CONFIG_TOML = "config.toml"
REPORT_HTML = "report.html"
CHECKPOINT = "checkpoints/last.safetensors"
RUN_FILES = frozenset(
    {MODEL_JSON, "model.safetensors", "training_texts.npy", EVALUATION_JSON, METRICS_JSONL, CONFIG_TOML, REPORT_HTML}
    | {"checkpoints", ".lock"}
)
REMEDY = "copy the run again, or train again with this charmill"
"""What to do where one of them is damaged or of another version."""


def require_free_run(run: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse a folder where a training would destroy something, or has nothing to go on from.

    Args:
        run: The folder; it may be missing.
        resume: Whether to go on with what is there.
        overwrite: Whether to replace what is there.

    Raises:
        UsageError: Says which flag to use.
    """
    require_local(run)
    if run.exists() and not run.is_dir():
        raise UsageError(f"{run}: it is a file; --out names the run's folder", path=run)
    names = {entry.name for entry in run.iterdir()} - {".lock"} if run.is_dir() else set()
    if not names:
        return
    has_checkpoint = (run / CHECKPOINT).exists()
    begun = MODEL_JSON in names or has_checkpoint or bool(names - RUN_FILES)
    if begun and not resume and not overwrite:
        raise UsageError(
            f"{run}: the folder is not empty; add --resume to go on, --overwrite to start over, or name another --out",
            path=run,
        )
    foreign = sorted(name for name in names if name.removeprefix(".").removesuffix(".partial") not in RUN_FILES)
    if foreign:
        flag = "--resume goes on with" if resume else "--overwrite replaces"
        raise UsageError(f"{run}: {flag} a run only, and {foreign[0]!r} belongs to none; move it away", path=run)
    if resume and MODEL_JSON in names and not has_checkpoint:
        raise UsageError(
            f"{run}: a model is there, but no checkpoint to go on from; start over with --overwrite, or name another --out",
            path=run,
        )
