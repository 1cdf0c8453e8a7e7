"""The schedule: the learning rate's factor as a function of the step alone, so that a resumed training has the same rate.

A step is a batch. ``step``, ``multi-step`` and ``exponential`` change at the ends of epochs, the others after every batch.
Imports nothing heavy.
"""

import math
from bisect import bisect_right
from collections.abc import Callable

from model.training.recipe import TrainConfig

Factor = Callable[[int], float]

ONE_CYCLE_WARM_UP = 0.3
ONE_CYCLE_START = 1 / 25
ONE_CYCLE_END = ONE_CYCLE_START / 1e4


def make_factor(config: TrainConfig, num_steps: int) -> Factor:
    """Make the function that gives the factor of the learning rate at each step, from 0.

    A warm-up of W steps is linear, from 1/(W + 1) to 1, and multiplies what the schedule gives. Epochs count from the first one, with
    or without a warm-up; ``cosine`` falls from the end of the warm-up on.

    Args:
        config: Names the schedule and its options.
        num_steps: Steps of the whole training.
    """
    num_steps = max(1, num_steps)
    if config.schedule == "one-cycle":
        return _one_cycle(num_steps)
    warm_up_steps = round((config.warm_up or 0) * num_steps)
    factor = _factor(config, num_steps, warm_up_steps)

    def warmed_up(step: int) -> float:
        return min(1.0, (step + 1) / (warm_up_steps + 1)) * factor(step)

    return warmed_up


def _factor(config: TrainConfig, num_steps: int, warm_up_steps: int) -> Factor:
    epoch_steps = max(1, num_steps // config.epochs)
    gamma = 1.0 if config.gamma is None else config.gamma
    if config.schedule == "step":
        step_epochs = config.step_epochs or config.epochs
        return lambda step: gamma ** (step // epoch_steps // step_epochs)
    if config.schedule == "multi-step":
        milestones = config.milestones or ()
        return lambda step: gamma ** bisect_right(milestones, step // epoch_steps)
    if config.schedule == "exponential":
        return lambda step: gamma ** (step // epoch_steps)
    if config.schedule == "cosine":
        falling = max(1, num_steps - warm_up_steps)
        return lambda step: _cosine(1.0, 0.0, max(0, step - warm_up_steps) / falling)
    return lambda _: 1.0


def _one_cycle(num_steps: int) -> Factor:
    """Rise from 1/25 along a cosine for the first 30 % of steps, then fall to nearly zero (Smith, "Super-Convergence", 2018)."""
    peak = ONE_CYCLE_WARM_UP * num_steps

    def factor(step: int) -> float:
        if step < peak:
            return _cosine(ONE_CYCLE_START, 1.0, step / peak)
        return _cosine(1.0, ONE_CYCLE_END, (step - peak) / (num_steps - peak))

    return factor


def _cosine(start: float, stop: float, share: float) -> float:
    return stop + (start - stop) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
