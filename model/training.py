"""The training loop, from the first batch to the last, resumable after any of them. Needs torch."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from model.architecture import build_network
from model.checkpoint import load_checkpoint, read_progress, save_checkpoint
from model.metrics import Evaluation, evaluate
from model.optim import make_optimizer, make_schedule
from model.recipe import TrainConfig, require_same_config
from model.run_folder import CHECKPOINT
from model.step import TrainStep
from pipeline.alphabet import require_same_profile
from pipeline.dataset import ShardDataset
from pipeline.errors import InputError, MismatchError
from pipeline.loader import BatchLoader
from pipeline.manifest import TRAIN, VALID, Manifest

EVALUATION_BATCH = 1024

OnStep = Callable[[int, Callable[[], Mapping[str, float | str]]], None]
"""Told after each step of the batches done, and how to ask for figures to show."""

OnEpoch = Callable[[dict[str, Any]], None]
"""Told of each epoch's line of metrics."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The outcome of a training.

    Attributes:
        network: In evaluation mode.
        history: A line of metrics for each epoch.
        evaluation: On the held-out rows, after the last epoch.
    """

    network: nn.Module
    history: list[dict[str, Any]]
    evaluation: Evaluation


class Training:
    """One training on one dataset.

    Args:
        folder: The dataset.
        manifest: Its manifest.
        config: What decides the weights.
        run: The run's folder, for checkpoints.
        device: Where to train.
        num_workers: Reader processes.
        checkpoint_seconds: Write a checkpoint when the last one is older than this, and at each epoch's end.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        config: TrainConfig,
        run: Path,
        *,
        device: torch.device,
        num_workers: int,
        checkpoint_seconds: float,
    ) -> None:
        self._config = config
        self._device = device
        self._checkpoint = run / CHECKPOINT
        self._checkpoint_seconds = checkpoint_seconds
        self._fingerprint = manifest.fingerprint
        self._profile = manifest.profile
        self._num_classes = len(manifest.labels)
        order: dict[str, Any] = {"seed": config.seed, "shuffle": config.shuffle, "limit_batches": config.limit_batches}
        dataset = ShardDataset(folder, manifest, TRAIN, batch_size=config.batch_size, **order)
        self._train = BatchLoader(dataset, device, num_workers)
        self._valid = BatchLoader(ShardDataset(folder, manifest, VALID, batch_size=EVALUATION_BATCH), device)
        torch.manual_seed(config.seed)
        self.network = build_network(config.architecture(), manifest.profile, self._num_classes).to(device)
        self._optimizer = make_optimizer(config, self.network.parameters())
        self.num_batches = len(dataset)
        self._schedule = make_schedule(config, self._optimizer, config.epochs * self.num_batches)
        self._step = TrainStep(
            self.network,
            self._optimizer,
            self._schedule,
            device,
            precision=config.precision,
            compiled=config.compile,
        )
        self._history: list[dict[str, Any]] = []
        self._sums = _EpochSums(device)
        self._checkpointed = time.monotonic()

    @property
    def batches_done(self) -> int:
        """Batches of the whole training that lie behind."""
        return self._train.dataset.epoch * self.num_batches + self._train.dataset.delivered

    def resume(self) -> bool:
        """Go on from the run's checkpoint; returns whether there is one.

        Raises:
            MismatchError: The checkpoint is of another configuration or dataset; names what differs.
            InputError: The checkpoint is damaged.
        """
        if not self._checkpoint.exists():
            return False
        progress = read_progress(self._checkpoint)
        require_same_profile("the checkpoint", progress["profile"], "the dataset", self._profile.to_json())
        require_same_config(progress["config"], self._config)
        if progress["dataset_fingerprint"] != self._fingerprint:
            raise MismatchError(
                f"--resume: the dataset was {progress['dataset_fingerprint']} and is now {self._fingerprint}; "
                "give the old dataset, or start over with --overwrite"
            )
        load_checkpoint(self._checkpoint, self.network, self._optimizer, self._schedule, self._device)
        self._train.dataset.load_state_dict(progress["dataset"])
        self._history = progress["history"]
        self._sums.load_state_dict(progress["sums"])
        return True

    def run(self, on_step: OnStep, on_epoch: OnEpoch) -> Trained:
        """Train to the end.

        Raises:
            InputError: The loss is no longer finite.
            MissingError: The network is to be compiled and cannot be.
        """
        for line in self._history:
            on_epoch(line)
        evaluation = None
        while self._train.dataset.epoch < self._config.epochs:
            evaluation = self._run_epoch(on_step, on_epoch)
        if evaluation is None:
            evaluation = evaluate(self.network, self._valid, self._num_classes)
        return Trained(network=self.network.eval(), history=self._history, evaluation=evaluation)

    def _run_epoch(self, on_step: OnStep, on_epoch: OnEpoch) -> Evaluation:
        epoch = self._train.dataset.epoch
        sums = self._sums
        sums.start_clock()
        self.network.train()
        for codes_BL, label_ids_B in self._train:
            loss, logits_BK = self._step(codes_BL, label_ids_B)
            sums.add(loss, logits_BK, label_ids_B)
            on_step(self.batches_done, lambda: {"epoch": f"{epoch + 1}/{self._config.epochs}"} | sums.figures())
            if time.monotonic() - self._checkpointed >= self._checkpoint_seconds:
                self._save()
        self._require_finite()
        line = {"epoch": epoch, **sums.metrics(), "lr": self._schedule.get_last_lr()[0]}
        evaluation = evaluate(self.network, self._valid, self._num_classes)
        line |= {
            "valid_loss": evaluation.loss,
            "valid_accuracy": evaluation.accuracy,
            "seconds": round(sums.seconds(), 3),
        }
        self._history.append(line)
        self._sums = _EpochSums(self._device)
        self._save()
        on_epoch(line)
        return evaluation

    def _require_finite(self) -> None:
        """Checked where the sums cross to the CPU anyway, and before every checkpoint, so that none holds a training beyond repair."""
        if not torch.isfinite(self._sums.loss):
            where = f"; the last checkpoint before it is {self._checkpoint}" if self._checkpoint.exists() else ""
            raise InputError(
                f"epoch {len(self._history) + 1}: the loss is {float(self._sums.loss)}; "
                f"start over with --overwrite and a smaller --lr{where}"
            )

    def _save(self) -> None:
        self._require_finite()
        self._checkpoint.parent.mkdir(exist_ok=True)
        progress = {
            "config": asdict(self._config),
            "dataset_fingerprint": self._fingerprint,
            "profile": self._profile.to_json(),
            "dataset": self._train.dataset.state_dict(),
            "history": self._history,
            "sums": self._sums.state_dict(),
        }
        save_checkpoint(self._checkpoint, self.network, self._optimizer, self._schedule, self._device, progress)
        self._checkpointed = time.monotonic()


class _EpochSums:
    """Running sums of an epoch, kept on the device so that no step waits for them."""

    def __init__(self, device: torch.device) -> None:
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._batch_accuracy = torch.zeros((), device=device)
        self._rows = 0
        self._batches = 0
        self._seconds_before = 0.0
        self._rows_before = 0
        self._started = time.monotonic()

    def start_clock(self) -> None:
        self._started = time.monotonic()

    def seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started

    def add(self, loss: torch.Tensor, logits_BK: torch.Tensor, label_ids_B: torch.Tensor) -> None:
        correct = (logits_BK.argmax(1) == label_ids_B).sum()
        self.loss += loss
        self._correct += correct
        self._batch_accuracy = correct / len(label_ids_B)
        self._rows += len(label_ids_B)
        self._batches += 1

    def metrics(self) -> dict[str, Any]:
        """The epoch's means, and the accuracy of its last batch alone, which is what the article prints."""
        return {
            "train_loss": float(self.loss) / max(1, self._batches),
            "train_accuracy": float(self._correct) / max(1, self._rows),
            "batch_accuracy": float(self._batch_accuracy),
            "rows": self._rows,
        }

    def figures(self) -> dict[str, float]:
        """What a progress bar shows."""
        metrics = self.metrics()
        rate = (self._rows - self._rows_before) / max(1e-9, time.monotonic() - self._started)
        return {
            "loss": round(metrics["train_loss"], 4),
            "accuracy": round(metrics["train_accuracy"], 4),
            "rows/s": round(rate),
        }

    def state_dict(self) -> dict[str, Any]:
        return {
            "loss": float(self.loss),
            "correct": int(self._correct),
            "batch_accuracy": float(self._batch_accuracy),
            "rows": self._rows,
            "batches": self._batches,
            "seconds": self.seconds() if self._rows else 0.0,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loss.fill_(state["loss"])
        self._correct.fill_(state["correct"])
        self._batch_accuracy.fill_(state["batch_accuracy"])
        self._rows = self._rows_before = state["rows"]
        self._batches = state["batches"]
        self._seconds_before = state["seconds"]
