"""Recipes: all that decides the weights of a training, resolved from a name, the flags and the data. Imports nothing heavy."""

import difflib
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from model.architecture import CONFIGS, choose_architecture
from model.architecture_base import Architecture
from pipeline.errors import InputError, MismatchError, UsageError

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "one-cycle")
RECIPES = ("default", "seed")
FLOAT32, BFLOAT16 = PRECISIONS = ("float32", "bfloat16")

_DEFAULT_MIN_EPOCHS, _DEFAULT_MAX_EPOCHS, _DEFAULT_MIN_STEPS = 4, 50, 250


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that the weights of a training depend on, beside its data.

    Attributes:
        recipe: Where the defaults came from.
        arch: A name in `CONFIGS`.
        epochs: Passes over the training rows.
        batch_size: Rows a step.
        lr: Learning rate; the peak of a schedule.
        optimizer: One of `OPTIMIZERS`.
        weight_decay: Of the optimiser.
        schedule: One of `SCHEDULES`, stepped after every batch.
        shuffle: Whether to shuffle each epoch.
        limit_batches: Batches an epoch; 0 for all.
        seed: Of the first weights, of dropout and of the order.
        precision: One of `PRECISIONS`, of forward and backward in training; weights stay float32, and rows held out are measured in it.
        compile: Whether to train through torch.compile, whose kernels round otherwise.
        dropout: Of the architecture; None for its own default.
        norm: Of the architecture; None for its own default.
    """

    recipe: str
    arch: str
    epochs: int
    batch_size: int
    lr: float
    optimizer: str
    weight_decay: float
    schedule: str
    shuffle: bool
    limit_batches: int
    seed: int
    precision: str
    compile: bool
    dropout: float | None = None
    norm: str | None = None

    def __post_init__(self) -> None:
        for name, known in (
            ("arch", tuple(CONFIGS)),
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("recipe", RECIPES),
            ("precision", PRECISIONS),
        ):
            value = getattr(self, name)
            if value not in known:
                near = difflib.get_close_matches(value, known, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise UsageError(f"--{name} {value!r}: expected one of {', '.join(known)}{hint}")
        for name, least in (("epochs", 1), ("batch_size", 1), ("limit_batches", 0), ("seed", 0), ("weight_decay", 0)):
            if not least <= getattr(self, name) < math.inf:
                raise UsageError(f"--{name.replace('_', '-')} {getattr(self, name)}: expected {least} or more")
        if self.seed >= 1 << 63:
            raise UsageError(f"--seed {self.seed}: expected less than 2**63")
        if not 0 < self.lr < math.inf:
            raise UsageError(f"--lr {self.lr}: expected more than 0")
        architecture = self.architecture()  # Refuses an option that it has no use for.
        if self.compile and not architecture.compiles:
            raise UsageError(f"--compile: torch.compile does not know --arch {self.arch}; train without --compile")

    def architecture(self) -> Architecture:
        """The sizes of the network to train.

        Raises:
            UsageError: The architecture has no use for an option, or its value makes no sense.
        """
        return choose_architecture(self.arch, dropout=self.dropout, norm=self.norm)


def resolve(recipe: str, flags: dict[str, Any], *, num_train: int, num_valid: int) -> TrainConfig:
    """Fill in what the flags leave open.

    ``seed`` is the article: it stops each epoch after as many batches as the held-out rows would fill, and never shuffles. ``default``
    repeats small data sets so often that there are enough steps to learn from.

    Args:
        recipe: One of `RECIPES`.
        flags: Values by field name, for those that were given.
        num_train: Rows to train from.
        num_valid: Rows held out.

    Raises:
        UsageError: A value makes no sense.
        InputError: The data set is too small.
    """
    if not num_train or not num_valid:
        raise InputError(
            f"the dataset has {num_train:,} rows to train from and {num_valid:,} held out; both must be there: "
            "encode more rows or with another --valid-fraction"
        )
    defaults: dict[str, Any] = {
        "recipe": recipe,
        "seed": 0,
        "weight_decay": 0.0,
        "precision": FLOAT32,
        "compile": False,
    }
    if recipe == "seed":
        defaults |= {
            "arch": "charcnn",
            "epochs": 99,
            "batch_size": 128,
            "lr": 1e-4,
            "optimizer": "adam",
            "schedule": "constant",
        }
        batch_size = flags.get("batch_size", defaults["batch_size"])
        defaults |= {"shuffle": False, "limit_batches": max(1, num_valid // max(1, batch_size))}
    else:
        defaults |= {"arch": "ngram", "batch_size": 256, "lr": 5e-3, "optimizer": "adamw", "schedule": "one-cycle"}
        steps = -(-num_train // max(1, flags.get("batch_size", defaults["batch_size"])))
        epochs = min(_DEFAULT_MAX_EPOCHS, max(_DEFAULT_MIN_EPOCHS, -(-_DEFAULT_MIN_STEPS // steps)))
        defaults |= {"shuffle": True, "limit_batches": 0, "epochs": epochs}
    return TrainConfig(**(defaults | flags))


def require_same_config(stored: dict[str, Any], config: TrainConfig) -> None:
    """Refuse to resume a training with another configuration.

    Raises:
        MismatchError: Names every field that differs, with both values.
    """
    now = asdict(config)
    different = [field.name for field in fields(config) if stored.get(field.name) != now[field.name]]
    if different:
        changes = ", ".join(f"{name} was {stored.get(name)!r} and is now {now[name]!r}" for name in different)
        raise MismatchError(f"--resume: {changes}; give the old values, or start over with --overwrite")
