"""The configuration of a training: all that decides its weights, made from a recipe, the flags and the data. Imports nothing heavy."""

import difflib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from model.architectures.base import Architecture
from model.architectures.registry import CONFIGS, choose_architecture
from model.training.choices import (
    COMMON,
    DEFAULT_BEST_BY,
    OPTIMIZER_OPTIONS,
    RECIPES,
    SCHEDULE_OPTIONS,
    BestBy,
    ClassWeights,
    Init,
    Precision,
    milestones_for,
    step_epochs_for,
    users_of,
)
from pipeline.errors import InputError, MismatchError, UsageError

FLOAT32, BFLOAT16 = get_args(Precision)

_CHOICES: dict[str, tuple[str, ...]] = {
    "arch": tuple(CONFIGS),
    "optimizer": tuple(OPTIMIZER_OPTIONS),
    "schedule": tuple(SCHEDULE_OPTIONS),
    "recipe": tuple(RECIPES),
    "precision": get_args(Precision),
    "init": get_args(Init),
    "class_weights": get_args(ClassWeights),
    "best_by": get_args(BestBy),
}
_RANGES: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (("epochs", "batch_size", "step_epochs"), lambda value: value >= 1, "1 or more"),
    (
        ("limit_batches", "seed", "weight_decay", "clip_norm", "patience"),
        lambda value: 0 <= value < math.inf,
        "0 or more",
    ),
    (("lr", "eps"), lambda value: 0 < value < math.inf, "more than 0"),
    (("gamma",), lambda value: 0 < value <= 1, "more than 0 and at most 1"),
    (
        ("momentum", "beta1", "beta2", "rmsprop_alpha", "warm_up", "label_smoothing", "dropout"),
        lambda value: 0 <= value < 1,
        "0 or more and below 1",
    ),
)

_DEFAULT_MIN_EPOCHS, _DEFAULT_MAX_EPOCHS, _DEFAULT_MIN_STEPS = 3, 50, 250


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything but the data that the weights of a training depend on. Options of an optimiser or a schedule not chosen are None.

    Attributes:
        recipe: The recipe that gave the defaults.
        arch: A name in `CONFIGS`.
        epochs: Passes over the training rows; fewer if patience ends them.
        batch_size: Rows a step.
        lr: Learning rate, the peak of the schedule.
        optimizer: A name in `OPTIMIZER_OPTIONS`.
        momentum: Of sgd and rmsprop.
        nesterov: Whether sgd's momentum is Nesterov's.
        rmsprop_alpha: Share of the old in rmsprop's mean of squared gradients.
        beta1: Share of the old in adam's mean of gradients.
        beta2: Share of the old in adam's mean of squared gradients.
        eps: Added to the root of squared gradients.
        amsgrad: Whether adam divides by the largest mean of squares so far.
        weight_decay: Of the optimiser; decoupled from the gradient in adamw.
        clip_norm: Limit that the gradient's norm is cut to; 0 for none.
        schedule: A name in `SCHEDULE_OPTIONS`, stepped after every batch.
        warm_up: Share of all steps in which the learning rate rises to its peak.
        step_epochs: Epochs between two changes of ``step``.
        milestones: Epochs done when ``multi-step`` changes.
        gamma: Factor of the learning rate at a change.
        init: One of `Init`, the rule of the first weights.
        label_smoothing: Share of the target that goes to all classes alike, in training.
        class_weights: One of `ClassWeights`, in training.
        patience: Stop after so many epochs without a better one; 0 for never.
        keep_best: Whether the run gets the weights of the best epoch instead of the last one.
        best_by: One of `BestBy`, on held-out rows; None if the last epoch is kept.
        shuffle: Whether to shuffle each epoch.
        limit_batches: Batches an epoch; 0 for all.
        seed: Of the first weights, of dropout and of the order.
        precision: One of `Precision`, of forward and backward in training; weights and measuring stay float32.
        compile: Whether to train through torch.compile, whose kernels round differently.
        dropout: Of the architecture; None for its own default.
        norm: Of the architecture; None for its own default.
    """

    recipe: str
    arch: str
    epochs: int
    batch_size: int
    lr: float
    optimizer: str
    momentum: float | None
    nesterov: bool | None
    rmsprop_alpha: float | None
    beta1: float | None
    beta2: float | None
    eps: float | None
    amsgrad: bool | None
    weight_decay: float
    clip_norm: float
    schedule: str
    warm_up: float | None
    step_epochs: int | None
    milestones: tuple[int, ...] | None
    gamma: float | None
    init: str
    label_smoothing: float
    class_weights: str
    patience: int
    keep_best: bool
    best_by: str | None
    shuffle: bool
    limit_batches: int
    seed: int
    precision: str
    compile: bool
    dropout: float | None = None
    norm: str | None = None

    def __post_init__(self) -> None:
        for name in _CHOICES:
            _require_choice(name, getattr(self, name))
        self._require_useful("optimizer", OPTIMIZER_OPTIONS)
        self._require_useful("schedule", SCHEDULE_OPTIONS)
        for names, is_good, expected in _RANGES:
            for name in names:
                value = getattr(self, name)
                if value is not None and not is_good(value):
                    raise UsageError(f"{_flag(name)} {value}: expected {expected}")
        if self.seed >= 1 << 63:
            raise UsageError(f"--seed {self.seed}: expected less than 2**63")
        if self.nesterov and not self.momentum:
            raise UsageError("--nesterov: expected a --momentum above 0, got 0")
        self._require_milestones()
        self._require_best()
        architecture = self.architecture(2)  # Refuses options that the architecture does not have.
        if self.compile and not architecture.compiles:
            raise UsageError(f"--compile: torch.compile does not know --arch {self.arch}; train without --compile")

    def architecture(self, num_classes: int) -> Architecture:
        """The config of the network to train.

        Args:
            num_classes: K.

        Raises:
            UsageError: The architecture does not have an option, or its value makes no sense.
        """
        return choose_architecture(self.arch, num_classes, dropout=self.dropout, norm=self.norm)

    def _require_useful(self, choice: str, options_of: dict[str, dict[str, Any]]) -> None:
        """Refuse options that the chosen optimiser or schedule does not have: they would change nothing."""
        chosen = getattr(self, choice)
        for option in _options(options_of):
            value = getattr(self, option)
            if value is not None and option not in options_of[chosen]:
                raise UsageError(
                    f"{_given(option, value)}: --{choice} {chosen} has no use for it, only {', '.join(users_of(option))}; "
                    "leave out one of them"
                )

    def _require_milestones(self) -> None:
        milestones = self.milestones or ()
        if milestones != tuple(sorted({epoch for epoch in milestones if 1 <= epoch < self.epochs})):
            raise UsageError(
                f"--milestones {','.join(map(str, milestones))}: expected rising numbers of epochs done, "
                f"1 or more and below --epochs {self.epochs}"
            )

    def _require_best(self) -> None:
        if self.patience and not self.keep_best:
            raise UsageError(f"--patience {self.patience}: the best epoch is kept then; leave out --no-keep-best")
        if self.best_by is not None and not self.keep_best:
            raise UsageError(f"--best-by {self.best_by}: no epoch is kept; add --keep-best or --patience")


def _require_choice(name: str, value: str | None) -> None:
    known = _CHOICES[name]
    if value is not None and value not in known:
        near = difflib.get_close_matches(value, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"{_flag(name)} {value!r}: expected one of {', '.join(known)}{hint}")


def _options(options_of: dict[str, dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(option for options in options_of.values() for option in options))


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _given(name: str, value: Any) -> str:
    """A flag about as it was given."""
    if isinstance(value, bool):
        return _flag(name) if value else _flag(f"no-{name}")
    return f"{_flag(name)} {','.join(map(str, value)) if isinstance(value, tuple) else value}"


def resolve(recipe: str, flags: dict[str, Any], *, num_train: int, num_valid: int) -> TrainConfig:
    """Make the configuration of a training: what the flags leave open comes from the recipe and the data.

    ``seed`` is the article's: it stops each epoch after as many batches as the held-out rows would fill, and never shuffles. ``default``
    passes over small datasets more often, so that there are enough steps to learn.

    Args:
        recipe: A name in `RECIPES`.
        flags: The values that were given, by the names of `TrainConfig`'s fields.
        num_train: Rows to train from.
        num_valid: Rows held out.

    Raises:
        UsageError: A value makes no sense, or would change nothing.
        InputError: The dataset is too small.
    """
    if not num_train or not num_valid:
        raise InputError(
            f"the dataset has {num_train:,} rows to train from and {num_valid:,} held out; both must be there: "
            "encode more rows or with another --valid-fraction"
        )
    values: dict[str, Any] = {"recipe": recipe, **COMMON, **RECIPES[recipe], **flags}
    batch_size = max(1, values["batch_size"])
    steps = -(-num_train // batch_size)
    values.setdefault("limit_batches", max(1, num_valid // batch_size))
    values.setdefault("epochs", min(_DEFAULT_MAX_EPOCHS, max(_DEFAULT_MIN_EPOCHS, -(-_DEFAULT_MIN_STEPS // steps))))
    _require_choice("arch", values["arch"])
    values.setdefault("lr", CONFIGS[values["arch"]]().lr)
    values.setdefault("keep_best", values["patience"] > 0)
    values.setdefault("best_by", DEFAULT_BEST_BY if values["keep_best"] else None)
    for choice, options_of in (("optimizer", OPTIMIZER_OPTIONS), ("schedule", SCHEDULE_OPTIONS)):
        own = options_of.get(values[choice], {})
        if "step_epochs" in own:
            own = {**own, "step_epochs": step_epochs_for(values["epochs"])}
        if "milestones" in own:
            own = {**own, "milestones": milestones_for(values["epochs"])}
        for option in _options(options_of):
            if option not in flags and (option not in own or option not in values):
                values[option] = own.get(option)
    return TrainConfig(**values)


def require_same_config(stored: dict[str, Any], config: TrainConfig) -> None:
    """Refuse to resume a training with another configuration.

    Raises:
        MismatchError: Names every field that differs, with both values.
    """
    now = json.loads(json.dumps(asdict(config)))  # What is stored went through JSON as well.
    different = [field.name for field in fields(config) if stored.get(field.name) != now[field.name]]
    if different:
        changes = ", ".join(f"{name} was {stored.get(name)!r} and is now {now[name]!r}" for name in different)
        raise MismatchError(f"--resume: {changes}; give the old values, or start over with --overwrite")
