"""The learning rate is what torch's own schedulers make it."""

from typing import Any

import pytest
import torch
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    SequentialLR,
    StepLR,
)

from model.training.recipe import TrainConfig, resolve
from model.training.schedule import make_factor

EPOCHS, EPOCH_STEPS, LR = 6, 5, 0.1
NUM_STEPS = EPOCHS * EPOCH_STEPS


def _config(**flags: Any) -> TrainConfig:
    return resolve("default", {"lr": LR, "epochs": EPOCHS} | flags, num_train=100, num_valid=10)


def _optimizer() -> Optimizer:
    return SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)


def _rates(schedule: LRScheduler | ChainedScheduler, optimizer: Optimizer, each: int = 1) -> list[float]:
    """The rate of every step, of a scheduler that is stepped after each so many."""
    rates = []
    for step in range(NUM_STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if (step + 1) % each == 0:
            schedule.step()
    return rates


def _ours(**flags: Any) -> list[float]:
    factor = make_factor(_config(**flags), NUM_STEPS)
    return [LR * factor(step) for step in range(NUM_STEPS)]


@pytest.mark.parametrize(
    ("flags", "theirs"),
    [
        ({"schedule": "constant"}, lambda optimizer: ConstantLR(optimizer, factor=1, total_iters=1)),
        ({"schedule": "step", "step_epochs": 2, "gamma": 0.5}, lambda optimizer: StepLR(optimizer, 2, gamma=0.5)),
        ({"schedule": "step"}, lambda optimizer: StepLR(optimizer, EPOCHS // 3)),
        (
            {"schedule": "multi-step", "milestones": (1, 4), "gamma": 0.3},
            lambda optimizer: MultiStepLR(optimizer, [1, 4], gamma=0.3),
        ),
        ({"schedule": "multi-step"}, lambda optimizer: MultiStepLR(optimizer, [3, 4])),
        ({"schedule": "exponential", "gamma": 0.7}, lambda optimizer: ExponentialLR(optimizer, 0.7)),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "torch",
)
def test_by_epochs_as_torch(flags: dict[str, Any], theirs: Any) -> None:
    optimizer = _optimizer()
    assert _ours(**flags) == pytest.approx(_rates(theirs(optimizer), optimizer, EPOCH_STEPS))


def test_by_batches_as_torch() -> None:
    optimizer = _optimizer()
    assert _ours(schedule="cosine") == pytest.approx(_rates(CosineAnnealingLR(optimizer, NUM_STEPS), optimizer))
    optimizer = _optimizer()
    # torch counts the peak's step to the rise, and the last step it takes as the end; ours would come after the last.
    share = (0.3 * NUM_STEPS + 1) / (NUM_STEPS + 1)
    one_cycle = OneCycleLR(optimizer, LR, total_steps=NUM_STEPS + 1, pct_start=share, cycle_momentum=False)
    assert _ours(schedule="one-cycle") == pytest.approx(_rates(one_cycle, optimizer))


def test_warm_up_as_torch() -> None:
    """A factor of what changes with the epochs; before a cosine, which falls over the rest."""
    warm_up = NUM_STEPS // 5
    flags = {"warm_up": 0.2}

    def rising(optimizer: Optimizer) -> LinearLR:
        return LinearLR(optimizer, start_factor=1 / (warm_up + 1), total_iters=warm_up)

    optimizer = _optimizer()
    assert _ours(schedule="constant", **flags) == pytest.approx(_rates(rising(optimizer), optimizer))
    optimizer = _optimizer()
    steps = MultiStepLR(optimizer, [1 * EPOCH_STEPS, 4 * EPOCH_STEPS], gamma=0.5)
    both = ChainedScheduler([rising(optimizer), steps], optimizer)
    ours = _ours(schedule="multi-step", milestones=(1, 4), gamma=0.5, **flags)
    assert ours == pytest.approx(_rates(both, optimizer))
    optimizer = _optimizer()
    falling = CosineAnnealingLR(optimizer, NUM_STEPS - warm_up)
    sequence = SequentialLR(optimizer, [rising(optimizer), falling], milestones=[warm_up])
    assert _ours(schedule="cosine", **flags) == pytest.approx(_rates(sequence, optimizer))


@pytest.mark.parametrize("schedule", ["constant", "step", "multi-step", "exponential", "cosine", "one-cycle"])
@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_the_shortest_trainings_have_a_rate(schedule: str, num_steps: int) -> None:
    for epochs in (1, 3):
        factor = make_factor(_config(schedule=schedule, epochs=epochs), num_steps)
        assert all(0 <= factor(step) <= 1 for step in range(num_steps + 1))
        assert factor(0) > 0
