"""``python -m jobs.train``: a dataset in, a run out."""

import json
import time
from dataclasses import KW_ONLY, asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from jobs.command import CommonConfig, run_command
from pipeline.errors import InputError, MissingError, UsageError

if TYPE_CHECKING:
    import torch

    from jobs.console import Meter
    from model.recipe import TrainConfig
    from model.training import OnEpoch, Trained
    from pipeline.manifest import Manifest


@Parameter(name="*")
@dataclass(frozen=True)
class TrainJobConfig:
    """Train a classifier on a dataset and measure it on the held-out rows. Flags without a default take the recipe's."""

    dataset: Annotated[Path, Parameter(help="The folder that python -m jobs.encode wrote.")]
    _: KW_ONLY
    out: Path
    "The run's folder."
    recipe: Literal["default", "seed"] = "default"
    "default is the one we recommend; seed is the article's, with what it never measured beside it."
    arch: Literal["charcnn", "ngram"] | None = None
    "charcnn is the article's network; ngram a bag of hashed character n-grams and words."
    epochs: int | None = None
    "Passes over the training rows."
    batch_size: int | None = None
    "Rows a step."
    lr: float | None = None
    "Learning rate, the peak of the schedule."
    optimizer: Literal["adam", "adamw", "sgd"] | None = None
    "sgd has a momentum of 0.9."
    weight_decay: float | None = None
    "Weight decay of the optimiser."
    schedule: Literal["constant", "cosine", "one-cycle"] | None = None
    "How the learning rate goes over the whole training."
    shuffle: bool | None = None
    "Shuffle the rows of each epoch."
    limit_batches: int | None = None
    "End each epoch after so many batches; 0 for all."
    seed: int | None = None
    "Seed of weights, dropout and order; 0 by default."
    precision: Literal["float32", "bfloat16"] = "float32"
    "Of the network's products in training; all else stays float32. Without a CPU's own bfloat16, charcnn took several times as long."
    compile: bool = False
    "Train through torch.compile; it needs a C++ compiler. On 2 cores charcnn's steps were a little shorter then, ngram's were not."
    device: Literal["auto", "cpu", "cuda"] = "auto"
    "auto takes CUDA where there is a device."
    num_workers: int = 0
    "Processes that read batches; 0 reads ahead in a thread of the main one, which is enough for shards on a local disk."
    checkpoint_seconds: float = 60.0
    "Write a checkpoint so often, beside the one at each epoch's end."
    resume: bool = False
    "Go on from the last checkpoint in --out; start where there is none."
    common: CommonConfig = field(default_factory=CommonConfig)

    def __post_init__(self) -> None:
        if self.num_workers < 0:
            raise UsageError(f"--num-workers {self.num_workers}: expected 0 or more")
        if not self.checkpoint_seconds >= 0:
            raise UsageError(f"--checkpoint-seconds {self.checkpoint_seconds:g}: expected 0 or more")
        if self.resume and self.common.overwrite:
            raise UsageError("--resume goes on and --overwrite starts over: give one of them")

    def recipe_flags(self) -> dict[str, Any]:
        """The values given for what a recipe decides."""
        names = (
            "arch",
            "epochs",
            "batch_size",
            "lr",
            "optimizer",
            "weight_decay",
            "schedule",
            "shuffle",
            "limit_batches",
            "seed",
            "precision",
            "compile",
        )
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def run(config: TrainJobConfig) -> dict[str, Any]:
    """Train.

    Raises:
        CharmillError: No model was published; a checkpoint may be there to go on from.
    """
    _require_packages()
    import torch

    from model.device import choose_device
    from model.recipe import resolve
    from model.run_folder import require_free_run
    from pipeline.manifest import read_manifest
    from pipeline.publish import exclusive
    from pipeline.shards import verify_shards

    started = time.monotonic()
    torch.set_num_threads(config.common.num_threads)
    device = choose_device(config.device)
    manifest = read_manifest(config.dataset)
    verify_shards(config.dataset, manifest)
    if len(manifest.labels) < 2:
        raise InputError(
            f"{config.dataset}: all rows are of class {manifest.labels[0]!r}; a classifier needs two or more"
        )
    resolved = resolve(
        config.recipe, config.recipe_flags(), num_train=manifest.num_rows("train"), num_valid=manifest.num_rows("valid")
    )
    require_free_run(config.out, resume=config.resume, overwrite=config.common.overwrite)
    config.out.mkdir(parents=True, exist_ok=True)
    with exclusive(config.out):
        trained, resumed = _train(config, manifest, resolved, device)
        outputs = _publish(config, manifest, resolved, trained)
    return _report(manifest, resolved, trained) | {
        "resumed": resumed,
        "seconds": round(time.monotonic() - started, 3),
        "outputs": outputs,
    }


def _require_packages() -> None:
    missing = [name for name in ("torch", "einops", "jinja2") if find_spec(name) is None]
    if missing:
        raise MissingError(
            f"training needs {', '.join(missing)}: pip install '.[train]' in charmill's checkout; encoding and scoring do without"
        )


def _report(manifest: "Manifest", resolved: "TrainConfig", trained: "Trained") -> dict[str, Any]:
    last = trained.history[-1]
    return {
        "valid_accuracy": trained.evaluation.accuracy,
        "valid_loss": trained.evaluation.loss,
        "train_accuracy": last["train_accuracy"],
        "train_loss": last["train_loss"],
        "batch_accuracy": last["batch_accuracy"],
        "recipe": resolved.recipe,
        "arch": resolved.arch,
        "epochs": resolved.epochs,
        "rows_train": manifest.num_rows("train"),
        "rows_valid": manifest.num_rows("valid"),
    }


def _write_config(config: TrainJobConfig, resolved: "TrainConfig") -> None:
    from pipeline.publish import replace_file

    values = asdict(resolved) | {
        "device": config.device,
        "num_workers": config.num_workers,
        "checkpoint_seconds": config.checkpoint_seconds,
        "threads": config.common.threads,
    }
    # JSON's numbers, strings and booleans are TOML's as well.
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
    replace_file(config.out / "config.toml", lambda file: file.write(text.encode()))


def _train(
    config: TrainJobConfig, manifest: "Manifest", resolved: "TrainConfig", device: "torch.device"
) -> "tuple[Trained, bool]":
    """Train in the run's folder, from its checkpoint where there is one to go on from; returns whether there was."""
    from jobs.console import metered
    from model.run_folder import CHECKPOINT
    from model.training import Training

    training = Training(
        config.dataset,
        manifest,
        resolved,
        config.out,
        device=device,
        num_workers=config.num_workers,
        checkpoint_seconds=config.checkpoint_seconds,
    )
    resumed = config.resume and training.resume()
    if not resumed:
        # The model that an earlier training published stays whole until this one replaces it.
        (config.out / CHECKPOINT).unlink(missing_ok=True)
    _write_config(config, resolved)
    with metered(config.common.log, "train", resolved.epochs * training.num_batches) as meter:
        meter.note(
            "training",
            arch=resolved.arch,
            device=device.type,
            rows=manifest.num_rows("train"),
            resumed_at_batch=training.batches_done,
        )
        trained = training.run(meter.update, _epoch_writer(config.out, meter))
    return trained, resumed


def _epoch_writer(out: Path, meter: "Meter") -> "OnEpoch":
    """What writes each epoch's line of metrics and says it."""
    from pipeline.publish import replace_file

    lines: list[str] = []

    def on_epoch(line: dict[str, Any]) -> None:
        lines.append(json.dumps(line) + "\n")
        replace_file(out / "metrics.jsonl", lambda file: file.write("".join(lines).encode()))
        meter.note(
            f"epoch {line['epoch'] + 1}",
            **{
                name: round(line[name], 4)
                for name in ("valid_accuracy", "train_accuracy", "batch_accuracy", "train_loss")
            },
        )

    return on_epoch


def _publish(config: TrainJobConfig, manifest: "Manifest", resolved: "TrainConfig", trained: "Trained") -> list[str]:
    """Write weights and report, and model.json last; returns the paths."""
    import hashlib
    from importlib.metadata import version

    from safetensors.torch import save

    from model.architecture import CONFIGS
    from model.report import render_report
    from model.run_record import make_record
    from model.runfile import MODEL_JSON, WEIGHTS, Model
    from pipeline.publish import replace_file

    out = config.out
    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in trained.network.state_dict().items()})
    model = Model(
        architecture=CONFIGS[resolved.arch](),
        profile=manifest.profile,
        labels=manifest.labels,
        temperature=1.0,
        dataset_fingerprint=manifest.fingerprint,
        weights_bytes=len(weights),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        versions={name: version(name) for name in ("charmill", "torch", "numpy")},
    )
    report = render_report(make_record(out, model, None))
    replace_file(out / WEIGHTS, lambda file: file.write(weights))
    replace_file(out / "report.html", lambda file: file.write(report))
    replace_file(out / MODEL_JSON, lambda file: file.write(model.to_bytes()))
    return [str(out / name) for name in (MODEL_JSON, WEIGHTS, "metrics.jsonl", "config.toml", "report.html")]


def render(report: dict[str, Any]) -> str:
    """The report as text."""
    from jobs.console import table

    return table(
        {
            "accuracy on held-out rows": f"{report['valid_accuracy']:.2%}",
            "accuracy on training rows": f"{report['train_accuracy']:.2%} (while learning them)",
            "accuracy on the last batch": f"{report['batch_accuracy']:.2%} (what the article prints)",
            "loss on held-out rows": f"{report['valid_loss']:.4f}",
            "loss on training rows": f"{report['train_loss']:.4f}",
            "recipe": f"{report['recipe']}, {report['arch']}, {report['epochs']} epochs",
            "rows": f"{report['rows_train']:,} to train from, {report['rows_valid']:,} held out",
            "seconds": report["seconds"],
            "files": report["outputs"],
        }
    )


if __name__ == "__main__":
    run_command("train", TrainJobConfig, run, render)
