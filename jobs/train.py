"""``python -m jobs.train``: a dataset in, a run out."""

import json
import time
from dataclasses import KW_ONLY, asdict, dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from jobs.cli.command import run_command
from jobs.cli.flags import CommonConfig
from jobs.cli.training_flags import OptimizerFlags, RegularisationFlags, ScheduleFlags, recipe_flag
from jobs.train_report import make_report, render
from model.architectures.registry import CONFIGS
from model.training.choices import Init, Precision, Recipe, values_of
from pipeline.errors import InputError, MissingError, UsageError

if TYPE_CHECKING:
    import torch

    from model.training.loop import OnEpoch, Trained
    from model.training.recipe import TrainConfig
    from pipeline.dataset.manifest import Manifest
    from pipeline.execution.meter import Meter


_RATES = ", ".join(f"{name} {config.lr:g}" for name, config in CONFIGS.items())
_ARCHITECTURES = "\n".join(
    ["The network; one of", *(f"{name}: {config.summary}" for name, config in CONFIGS.items()), values_of("arch")]
)


@Parameter(name="*")
@dataclass(frozen=True)
class TrainJobConfig:
    """Train a classifier on a dataset and measure it on the held-out rows. Flags without a default take the recipe's."""

    dataset: Annotated[Path, Parameter(help="The folder that python -m jobs.encode wrote.")]
    _: KW_ONLY
    out: Path
    "The run's folder."
    recipe: Recipe = "default"
    "default is the one we recommend; seed is the article's, with what it never measured beside it."
    arch: Annotated[str | None, Parameter(help=_ARCHITECTURES)] = None
    init: Annotated[
        Init | None,
        recipe_flag("init", "First weights of all layers but embeddings; default is the architecture's own."),
    ] = None
    epochs: Annotated[
        int | None, recipe_flag("epochs", "Passes over the training rows; default makes it from their number.")
    ] = None
    batch_size: Annotated[int | None, recipe_flag("batch_size", "Rows a step.")] = None
    lr: Annotated[
        float | None,
        recipe_flag("lr", f"Learning rate, the peak of the schedule. Recipe default: {_RATES}."),
        Parameter(group="Optimiser"),
    ] = None
    shuffle: Annotated[bool | None, recipe_flag("shuffle", "Shuffle the rows of each epoch.")] = None
    limit_batches: Annotated[
        int | None,
        recipe_flag(
            "limit_batches", "End each epoch after so many batches; 0 for all. seed makes it from the held-out rows."
        ),
    ] = None
    seed: Annotated[int | None, recipe_flag("seed", "Of first weights, dropout and order.")] = None
    precision: Precision = "float32"
    "Of the network's products in training; all else stays float32. Without a CPU's own bfloat16, charcnn took several times as long."
    compile: bool = False
    "Train through torch.compile; it needs a C++ compiler. On 2 cores charcnn's steps were a little shorter then, ngram's were not."
    baseline: Literal["tfidf", "none"] = "tfidf"
    "What to hold the network against on the held-out rows: TF-IDF of words with logistic regression, of at most 200,000 training rows."
    device: Literal["auto", "cpu", "cuda"] = "auto"
    "auto takes CUDA where there is a device."
    num_workers: int = 0
    "Processes that read batches; 0 reads ahead in a thread of the main one, which is enough for shards on a local disk."
    checkpoint_seconds: float = 60.0
    "Write a checkpoint so often, beside the one at each epoch's end."
    resume: bool = False
    "Go on from the last checkpoint in --out; start where there is none."
    optimizing: OptimizerFlags = field(default_factory=OptimizerFlags)
    scheduling: ScheduleFlags = field(default_factory=ScheduleFlags)
    regularising: RegularisationFlags = field(default_factory=RegularisationFlags)
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
        from model.training.recipe import TrainConfig

        given: dict[str, Any] = {}
        for flags in (self, self.optimizing, self.scheduling, self.regularising):
            names = {field.name for field in fields(flags)} & {field.name for field in fields(TrainConfig)} - {"recipe"}
            given |= {name: getattr(flags, name) for name in names if getattr(flags, name) is not None}
        return given


def run(config: TrainJobConfig) -> dict[str, Any]:
    """Train.

    Raises:
        CharmillError: No model was published; a checkpoint may be there to go on from.
    """
    _require_packages()
    import torch

    from jobs.cli.console import metered
    from model.engines.device import choose_device
    from model.measuring.network import measure_network
    from model.runs.folder import require_free_run
    from model.training.publish import publish_run
    from model.training.recipe import resolve
    from pipeline.dataset.manifest import TRAIN, VALID, read_manifest
    from pipeline.dataset.shards import verify_shards
    from pipeline.inspection.class_check import check_classes
    from pipeline.inspection.histogram import count_classes
    from pipeline.storage.staging import exclusive

    started = time.monotonic()
    torch.set_num_threads(config.common.num_threads)
    device = choose_device(config.device)
    manifest = read_manifest(config.dataset)
    if len(manifest.labels) < 2:
        raise InputError(
            f"{config.dataset}: all rows are of class {manifest.labels[0]!r}; a classifier needs two or more"
        )
    resolved = resolve(
        config.recipe, config.recipe_flags(), num_train=manifest.num_rows("train"), num_valid=manifest.num_rows("valid")
    )
    verify_shards(config.dataset, manifest)
    amiss = check_classes(
        str(config.dataset),
        manifest.labels,
        *(count_classes(config.dataset, manifest, split) for split in (TRAIN, VALID)),
    )
    require_free_run(config.out, resume=config.resume, overwrite=config.common.overwrite)
    config.out.mkdir(parents=True, exist_ok=True)
    with exclusive(config.out):
        trained, resumed = _train(config, manifest, resolved, device, amiss)
        with metered(config.common.log, "measure", 0) as meter:
            evaluation = measure_network(
                config.dataset,
                manifest,
                trained.network,
                device,
                with_baseline=config.baseline == "tfidf",
                num_threads=config.common.num_threads,
                note=meter.note,
            )
        outputs = publish_run(
            config.out, manifest, resolved.architecture(len(manifest.labels)), trained.network, evaluation
        )
    return make_report(resolved, trained, evaluation) | {
        "resumed": resumed,
        "seconds": round(time.monotonic() - started, 3),
        "outputs": [str(output) for output in outputs],
    }


def _require_packages() -> None:
    missing = [name for name in ("torch", "einops", "jinja2") if find_spec(name) is None]
    if missing:
        raise MissingError(
            f"training needs {', '.join(missing)}: pip install '.[train]' in charmill's checkout; encoding and scoring do without"
        )


def _write_config(config: TrainJobConfig, resolved: "TrainConfig") -> None:
    from model.runs.record import CONFIG_TOML
    from pipeline.storage.durable import replace_file

    values = asdict(resolved) | {
        "baseline": config.baseline,
        "device": config.device,
        "num_workers": config.num_workers,
        "checkpoint_seconds": config.checkpoint_seconds,
        "threads": config.common.threads,
    }
    # JSON's numbers, strings, booleans and lists are TOML's as well; None is what its absence means.
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items() if value is not None)
    replace_file(config.out / CONFIG_TOML, lambda file: file.write(text.encode()))


def _train(
    config: TrainJobConfig,
    manifest: "Manifest",
    resolved: "TrainConfig",
    device: "torch.device",
    amiss: dict[str, str],
) -> "tuple[Trained, bool]":
    """Train in the run's folder, from its checkpoint where there is one to go on from; returns whether there was."""
    from jobs.cli.console import metered
    from jobs.train_report import say_layers
    from model.measuring.layers import summarise
    from model.runs.folder import CHECKPOINT
    from model.training.loop import Training

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
        for what, classes in amiss.items():
            meter.note(what, classes=classes)
        if resolved.recipe == "seed" and manifest.profile.name != "seed":
            meter.note(
                "the article's recipe is for its own codes: encode with --profile seed", profile=manifest.profile.name
            )
        meter.note(
            "training",
            arch=resolved.arch,
            device=device.type,
            rows=manifest.num_rows("train"),
            resumed_at_batch=training.batches_done,
        )
        say_layers(meter, summarise(training.network, manifest.profile), form=config.common.log)
        trained = training.run(meter.update, _epoch_writer(config.out, meter))
        if len(trained.history) < resolved.epochs:
            meter.note("out of patience", epochs=len(trained.history), best_epoch=trained.best_epoch + 1)
    return trained, resumed


def _epoch_writer(out: Path, meter: "Meter") -> "OnEpoch":
    """What writes each epoch's line of metrics and says it."""
    from model.runs.record import METRICS_JSONL
    from pipeline.storage.durable import replace_file

    lines: list[str] = []

    def on_epoch(line: dict[str, Any]) -> None:
        lines.append(json.dumps(line) + "\n")
        replace_file(out / METRICS_JSONL, lambda file: file.write("".join(lines).encode()))
        meter.note(
            f"epoch {line['epoch'] + 1}",
            **{
                name: round(line[name], 4)
                for name in ("valid_accuracy", "train_accuracy", "batch_accuracy", "train_loss")
            },
        )

    return on_epoch


if __name__ == "__main__":
    run_command("train", TrainJobConfig, run, render)
