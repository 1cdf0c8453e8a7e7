"""The optimiser of a training, and the schedule of its learning rate, by their names. Needs torch."""

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import LambdaLR

from model.training.choices import OPTIMIZER_OPTIONS
from model.training.recipe import TrainConfig
from model.training.schedule import make_factor

_KINDS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
}


def make_optimizer(config: TrainConfig, parameters: Iterable[torch.nn.Parameter]) -> Optimizer:
    """Make the optimiser that a config names, with its options.

    Weight decay is added to the gradient, except by AdamW, which subtracts it from the weights (Loshchilov and Hutter, "Decoupled Weight
    Decay Regularization", 2019).

    Where torch can, a step is fused into one pass over the parameters: with 4.2 million of them on 2 cores, AdamW's step took an eighth
    to a fourth of the time.
    """
    parameters = list(parameters)
    options: dict[str, Any] = {name: getattr(config, name) for name in OPTIMIZER_OPTIONS[config.optimizer]}
    if "beta1" in options:
        options["betas"] = (options.pop("beta1"), options.pop("beta2"))
    if "rmsprop_alpha" in options:
        options["alpha"] = options.pop("rmsprop_alpha")
    on_cpu = all(parameter.device.type == "cpu" for parameter in parameters)
    # torch has no fused RMSprop, and a fused Adagrad on the CPU only.
    if config.optimizer != "rmsprop" and (on_cpu or config.optimizer != "adagrad"):
        options["fused"] = True
    kind: Any = _KINDS[config.optimizer]
    optimizer: Optimizer = kind(parameters, lr=config.lr, weight_decay=config.weight_decay, **options)
    return optimizer


def make_schedule(config: TrainConfig, optimizer: Optimizer, num_steps: int) -> LambdaLR:
    """Make the schedule that a config names; it is stepped after each of num_steps batches."""
    return LambdaLR(optimizer, make_factor(config, num_steps))
