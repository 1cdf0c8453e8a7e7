"""The rules for a run's folder: when a training may begin, go on or start over there. Needs no torch."""

from pathlib import Path

from model.runs.evaluation import EVALUATION_JSON
from model.runs.model_file import MODEL_JSON
from pipeline.errors import UsageError

CHECKPOINT = "checkpoints/last.safetensors"
RUN_FILES = frozenset(
    {
        MODEL_JSON,
        "model.safetensors",
        EVALUATION_JSON,
        "metrics.jsonl",
        "config.toml",
        "report.html",
        "checkpoints",
        ".lock",
    }
)


def require_free_run(run: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse a folder where a training would destroy something, or has nothing to go on from.

    Args:
        run: The folder; it may be missing.
        resume: Whether to go on with what is there.
        overwrite: Whether to replace what is there.

    Raises:
        UsageError: Says which flag to use.
    """
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
