"""The training loop: from the first batch to the last, resumable after any of them. Needs torch."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from model.architectures.factory import PreparedNetwork
from model.architectures.registry import build_network
from model.measuring.forward import loss_and_accuracy
from model.runs.best_epoch import best_epoch, is_out_of_patience
from model.runs.folder import CHECKPOINT
from model.training.checkpoint import load_checkpoint, read_progress, save_checkpoint
from model.training.choices import DEFAULT_BEST_BY
from model.training.class_weights import balanced_weights
from model.training.epoch import EpochSums, find_not_finite
from model.training.initialisation import initialise
from model.training.optim import make_optimizer, make_schedule
from model.training.recipe import TrainConfig, require_same_config
from model.training.step import TrainStep
from pipeline.batches.loader import BatchLoader
from pipeline.batches.shard_dataset import ShardDataset
from pipeline.dataset.manifest import TRAIN, VALID, Manifest
from pipeline.dataset.shards import open_codes
from pipeline.errors import InputError, MismatchError
from pipeline.inspection.histogram import count_classes
from pipeline.text.alphabet import require_same_profile

EVALUATION_BATCH = 1024

OnStep = Callable[[int, Callable[[], Mapping[str, float | str]]], None]
"""Told after each step how many batches are done, with a function that makes the figures to show."""

OnEpoch = Callable[[dict[str, Any]], None]
"""Told each epoch's line of metrics."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The outcome of a training.

    Attributes:
        network: In evaluation mode.
        history: A line of metrics for each epoch.
        epoch: The epoch, from 0, whose weights the network has: the last one, or the best one if that is kept.
        best_epoch: The best epoch on the held-out rows, kept or not; by accuracy unless the configuration says otherwise.
    """

    network: nn.Module
    history: list[dict[str, Any]]
    epoch: int
    best_epoch: int


class Training:
    """One training on one dataset.

    Args:
        folder: The dataset.
        manifest: Its manifest.
        config: What decides the weights.
        run: The run's folder, for checkpoints.
        device: Where to train.
        num_workers: Reader processes.
        checkpoint_seconds: Write a checkpoint when the last one is older than this; one is also written after each epoch.
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
        order: dict[str, Any] = {"seed": config.seed, "shuffle": config.shuffle, "limit_batches": config.limit_batches}
        dataset = ShardDataset(folder, manifest, TRAIN, batch_size=config.batch_size, **order)
        self._train = BatchLoader(dataset, device, num_workers)
        self._valid = BatchLoader(ShardDataset(folder, manifest, VALID, batch_size=EVALUATION_BATCH), device)
        rows_K = count_classes(folder, manifest, TRAIN)
        torch.manual_seed(config.seed)
        self.network = build_network(config.architecture(len(manifest.labels)), manifest.profile, len(manifest.labels))
        initialise(self.network, config.init)
        self.network.to(device)
        if isinstance(self.network, PreparedNetwork):
            self.network.prepare(
                open_codes(folder, shard).view(np.ndarray) for shard in manifest.shards if shard.split == TRAIN
            )
        self._optimizer = make_optimizer(config, self.network.parameters())
        self.num_batches = len(dataset)
        self._schedule = make_schedule(config, self._optimizer, config.epochs * self.num_batches)
        weights_K = None
        if config.class_weights == "balanced":
            weights_K = torch.from_numpy(balanced_weights(rows_K)).to(device)
        self._step = TrainStep(self.network, self._optimizer, self._schedule, device, config, weights_K)
        self._history: list[dict[str, Any]] = []
        self._best: dict[str, torch.Tensor] = {}  # The best epoch's weights, where they are kept.
        self._sums = EpochSums(device)
        self._checkpointed = time.monotonic()

    @property
    def batches_done(self) -> int:
        """How many batches of the whole training are done."""
        return self._train.dataset.epoch * self.num_batches + self._train.dataset.delivered

    def resume(self) -> bool:
        """Go on from the run's checkpoint, if there is one; returns whether there is.

        Raises:
            MismatchError: The checkpoint has another configuration, profile or dataset; names what differs.
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
        self._best = load_checkpoint(self._checkpoint, self.network, self._optimizer, self._schedule, self._device)
        self._train.dataset.load_state_dict(progress["dataset"])
        self._history = progress["history"]
        self._sums.load_state_dict(progress["sums"])
        return True

    def run(self, on_step: OnStep, on_epoch: OnEpoch) -> Trained:
        """Train to the end.

        Raises:
            InputError: A loss or a weight is no longer finite; names the batch.
            MissingError: The network should be compiled and cannot be.
        """
        for line in self._history:
            on_epoch(line)
        while self._train.dataset.epoch < self._config.epochs and not self._is_out_of_patience():
            self._run_epoch(on_step, on_epoch)
        epoch, best = len(self._history) - 1, best_epoch(self._history, self._best_by)
        if self._config.keep_best and epoch != best:
            self.network.load_state_dict(self._best)
            epoch = best
        if isinstance(self.network, PreparedNetwork):
            self.network.finish()
        return Trained(network=self.network.eval(), history=self._history, epoch=epoch, best_epoch=best)

    @property
    def _best_by(self) -> str:
        return self._config.best_by or DEFAULT_BEST_BY

    def _is_out_of_patience(self) -> bool:
        return is_out_of_patience(self._history, self._best_by, self._config.patience)

    def _run_epoch(self, on_step: OnStep, on_epoch: OnEpoch) -> None:
        epoch = self._train.dataset.epoch
        sums = self._sums
        sums.start_clock()
        self.network.train()
        for codes_BL, label_ids_B in self._train:
            loss, logits_BK = self._step(codes_BL, label_ids_B)
            sums.add(loss, logits_BK, label_ids_B)
            if self._device.type == "cpu":  # Here looking does not wait for a device.
                self._require_finite_loss()
            on_step(self.batches_done, self._figures)
            if time.monotonic() - self._checkpointed >= self._checkpoint_seconds:
                self._require_finite()
                self._save()
        self._require_finite()
        line = {"epoch": epoch, **sums.metrics(), "lr": self._schedule.get_last_lr()[0]}
        valid = loss_and_accuracy(self.network, self._valid)
        if not math.isfinite(valid.loss):
            raise self._not_finite(self.num_batches, f"the loss on held-out rows is {valid.loss}")
        line |= {"valid_loss": valid.loss, "valid_accuracy": valid.accuracy, "seconds": round(sums.seconds(), 3)}
        line["finished"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._history.append(line)
        self._sums = EpochSums(self._device)
        if self._config.keep_best and best_epoch(self._history, self._best_by) == epoch:
            self._best = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}
        self._save()
        on_epoch(line)

    def _figures(self) -> Mapping[str, float | str]:
        self._require_finite_loss()
        return {"epoch": f"{self._train.dataset.epoch + 1}/{self._config.epochs}"} | self._sums.figures()

    def _require_finite(self) -> None:
        """Check where the device is waited for anyway, and before each checkpoint, so that none holds a training beyond repair."""
        self._require_finite_loss()
        if broken := find_not_finite(self.network, self._optimizer):
            raise self._not_finite(self._train.dataset.delivered or self.num_batches, f"{broken} are not finite")

    def _require_finite_loss(self) -> None:
        if found := self._sums.first_not_finite_batch():
            batch, loss = found
            raise self._not_finite(batch, f"the loss is {loss}")

    def _not_finite(self, batch: int, reason: str) -> InputError:
        where = f"; the last checkpoint before it is {self._checkpoint}" if self._checkpoint.exists() else ""
        return InputError(
            f"epoch {len(self._history) + 1}, batch {batch} of {self.num_batches}: {reason}; "
            f"start over with --overwrite and a smaller --lr, or with --clip-norm{where}"
        )

    def _save(self) -> None:
        self._checkpoint.parent.mkdir(exist_ok=True)
        progress = {
            "config": asdict(self._config),
            "dataset_fingerprint": self._fingerprint,
            "profile": self._profile.to_json(),
            "dataset": self._train.dataset.state_dict(),
            "history": self._history,
            "sums": self._sums.state_dict(),
        }
        save_checkpoint(
            self._checkpoint, self.network, self._optimizer, self._schedule, self._device, progress, self._best
        )
        self._checkpointed = time.monotonic()
