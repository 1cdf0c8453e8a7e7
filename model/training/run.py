"""The training of a run: a dataset in, a published run out. What `jobs.train` does, without its flags and console."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from model.engines.device import choose_device
from model.engines.predictor import Device
from model.measuring.layers import list_layers
from model.measuring.network import measure_network
from model.runs.accuracy import accuracy_of
from model.runs.evaluation import Layer, RunEvaluation
from model.runs.folder import CHECKPOINT, CONFIG_TOML, METRICS_JSONL, require_free_run
from model.runs.training_texts import MOST, TrainingTexts
from model.training.loop import OnEpoch, Trained, Training
from model.training.publish import publish_run
from model.training.recipe import TrainConfig, resolve
from pipeline.dataset.manifest import TRAIN, VALID, Manifest, read_manifest
from pipeline.dataset.shards import verify_shards
from pipeline.errors import InputError, UsageError
from pipeline.execution.meter import Meter, Meters, silent
from pipeline.execution.threads import available_threads
from pipeline.inspection.class_check import check_classes
from pipeline.inspection.histogram import count_classes
from pipeline.inspection.text_hashes import smallest_hashes
from pipeline.storage.durable import replace_file
from pipeline.storage.staging import exclusive

STORED_OPTIONS = ("baseline", "device", "num_workers", "checkpoint_seconds", "threads")
"""What `config.toml` holds beside the configuration, so that it can be given to another training."""

SayLayers = Callable[[Meter, Sequence[Layer]], None]
"""Shows the network's layers before the training begins."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Where a training happens and what it may cost. Nothing here changes the weights; `TrainConfig` does.

    Attributes:
        out: The run's folder.
        baseline: What to compare the network with; ``none`` for nothing.
        device: ``auto`` takes CUDA if there is a device.
        num_workers: Processes that read batches; 0 reads ahead in a thread.
        checkpoint_seconds: How often to write a checkpoint; one is also written after each epoch.
        resume: Go on from the last checkpoint; start if there is none.
        overwrite: Start over in a folder with a run.
        threads: Threads to use; 0 for all cores.
    """

    out: Path
    baseline: Literal["tfidf", "none"] = "tfidf"
    device: Device = "auto"
    num_workers: int = 0
    checkpoint_seconds: float = 60.0
    resume: bool = False
    overwrite: bool = False
    threads: int = 0

    def __post_init__(self) -> None:
        if self.num_workers < 0:
            raise UsageError(f"--num-workers {self.num_workers}: expected 0 or more")
        if not self.checkpoint_seconds >= 0:
            raise UsageError(f"--checkpoint-seconds {self.checkpoint_seconds:g}: expected 0 or more")
        if self.resume and self.overwrite:
            raise UsageError("--resume goes on and --overwrite starts over: give one of them")


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A run that was published.

    Attributes:
        config: What decided the weights.
        trained: The outcome of the training.
        evaluation: Of the network that was published.
        warnings: What a reader of its figures should know of the dataset.
        resumed: Whether it went on from a checkpoint.
        outputs: The run's files.
    """

    config: TrainConfig
    trained: Trained
    evaluation: RunEvaluation
    warnings: list[str]
    resumed: bool
    outputs: list[Path]


def _say_nothing(_meter: Meter, _layers: Sequence[Layer]) -> None:
    pass


def train(
    dataset: Path,
    options: TrainOptions,
    choices: Mapping[str, Any] | None = None,
    *,
    recipe: str = "default",
    meters: Meters = silent,
    say_layers: SayLayers = _say_nothing,
) -> TrainedRun:
    """Train a classifier on a dataset, measure it on the held-out rows, and publish it.

    Args:
        dataset: The dataset's folder.
        options: Where it happens.
        choices: Values that take the place of the recipe's, by the names of `TrainConfig`'s fields.
        recipe: A name in `RECIPES`.
        meters: Open what shows the progress.
        say_layers: Shows the network's layers.

    Raises:
        CharmillError: No model was published; there may be a checkpoint to go on from.
    """
    num_threads = available_threads(options.threads)
    manifest = read_manifest(dataset)
    if len(manifest.labels) < 2:
        raise InputError(
            f"{dataset}: all rows are of class {manifest.labels[0]!r}, expected two classes or more; encode rows of other classes "
            "too, or another --label column"
        )
    num_rows = {"num_train": manifest.num_rows(TRAIN), "num_valid": manifest.num_rows(VALID)}
    torch.set_num_threads(num_threads)
    device = choose_device(options.device)
    config = resolve(recipe, dict(choices or {}), **num_rows)
    require_free_run(options.out, resume=options.resume, overwrite=options.overwrite)
    verify_shards(dataset, manifest)
    counts = (count_classes(dataset, manifest, split) for split in (TRAIN, VALID))
    warnings = check_classes(str(dataset), manifest.labels, *counts)
    options.out.mkdir(parents=True, exist_ok=True)
    with exclusive(options.out):
        training = Training(
            dataset,
            manifest,
            config,
            options.out,
            device=device,
            num_workers=options.num_workers,
            checkpoint_seconds=options.checkpoint_seconds,
        )
        resumed = _begin(training, config, options)
        with meters("train", config.epochs * training.num_batches) as meter:
            for warning in warnings:
                meter.note(f"warning: {warning}")
            _say_start(meter, manifest, config, training, device)
            say_layers(meter, list_layers(training.network, manifest.profile))
            trained = training.run(meter.update, _epoch_writer(options.out, meter, config, manifest.num_rows(VALID)))
            if len(trained.history) < config.epochs:
                meter.note("out of patience", epochs=len(trained.history), best_epoch=trained.best_epoch + 1)
        with meters("measure", 0) as meter:
            evaluation = measure_network(
                dataset,
                manifest,
                trained.network,
                device,
                with_baseline=options.baseline == "tfidf",
                num_threads=num_threads,
                note=meter.note,
            )
        architecture = config.architecture(len(manifest.labels))
        texts = TrainingTexts(smallest_hashes(dataset, manifest, MOST))
        outputs = publish_run(options.out, manifest, architecture, trained.network, evaluation, texts)
    return TrainedRun(
        config=config, trained=trained, evaluation=evaluation, warnings=warnings, resumed=resumed, outputs=outputs
    )


def _begin(training: Training, config: TrainConfig, options: TrainOptions) -> bool:
    """Resume if that is wanted and there is a checkpoint, returning whether it did; write the configuration."""
    resumed = options.resume and training.resume()
    if not resumed:
        # The model that an earlier training published stays whole until this one replaces it.
        (options.out / CHECKPOINT).unlink(missing_ok=True)
    values = asdict(config) | {name: getattr(options, name) for name in STORED_OPTIONS}
    # JSON's numbers, strings, booleans and lists are TOML's as well; None is what its absence means.
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items() if value is not None)
    replace_file(options.out / CONFIG_TOML, lambda file: file.write(text.encode()))
    return resumed


def _say_start(
    meter: Meter,
    manifest: Manifest,
    config: TrainConfig,
    training: Training,
    device: torch.device,
) -> None:
    if config.recipe == "seed" and manifest.profile.name != "seed":
        meter.note(
            "the article's recipe is for its own codes: encode with --profile seed", profile=manifest.profile.name
        )
    meter.note(
        "training",
        arch=config.arch,
        device=device.type,
        rows=manifest.num_rows(TRAIN),
        resumed_at_batch=training.batches_done,
    )


def _epoch_writer(out: Path, meter: Meter, config: TrainConfig, num_valid: int) -> OnEpoch:
    """Make the function that writes and shows each epoch's line of metrics."""
    lines: list[str] = []

    def on_epoch(line: dict[str, Any]) -> None:
        lines.append(json.dumps(line) + "\n")
        replace_file(out / METRICS_JSONL, lambda file: file.write("".join(lines).encode()))
        valid = accuracy_of(round(line["valid_accuracy"] * num_valid), num_valid)
        names = ("train_accuracy", *(["batch_accuracy"] if config.recipe == "seed" else []), "train_loss")
        meter.note(
            f"epoch {line['epoch'] + 1}",
            valid_accuracy=round(valid.share, 4),
            interval=[round(valid.low, 4), round(valid.high, 4)],
            **{name: round(line[name], 4) for name in names},
        )

    return on_epoch
