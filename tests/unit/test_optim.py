"""Optimisers and schedules do what their names say."""

import pytest
import torch

from model.optim import make_optimizer, make_schedule
from model.recipe import TrainConfig, resolve


def _config(**flags: object) -> TrainConfig:
    return resolve("default", {"lr": 0.1} | flags, num_train=100, num_valid=10)


def _rates(schedule: str, num_steps: int) -> list[float]:
    optimizer = make_optimizer(_config(schedule=schedule), [torch.nn.Parameter(torch.zeros(1))])
    steps = make_schedule(_config(schedule=schedule), optimizer, num_steps)
    rates: list[float] = []
    for _ in range(num_steps):
        rates.append(float(steps.get_last_lr()[0]))
        optimizer.step()
        steps.step()
    return [*rates, float(steps.get_last_lr()[0])]


def test_schedules() -> None:
    assert _rates("constant", 10) == [0.1] * 11
    cosine = _rates("cosine", 10)
    assert cosine == sorted(cosine, reverse=True)
    assert cosine[0] == 0.1
    assert cosine[5] == pytest.approx(0.05)
    assert cosine[10] == pytest.approx(0, abs=1e-12)
    one_cycle = _rates("one-cycle", 10)
    assert one_cycle[0] == pytest.approx(0.1 / 25)
    assert one_cycle[3] == pytest.approx(0.1) == max(one_cycle)
    assert one_cycle[:4] == sorted(one_cycle[:4])
    assert one_cycle[3:] == sorted(one_cycle[3:], reverse=True)
    assert 0 < one_cycle[10] < 1e-6


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_the_shortest_trainings_have_a_rate(schedule: str, num_steps: int) -> None:
    assert all(0 <= rate <= 0.1 + 1e-9 for rate in _rates(schedule, num_steps))


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_optimisers(name: str, kind: type) -> None:
    optimizer = make_optimizer(_config(optimizer=name, weight_decay=0.25), [torch.nn.Parameter(torch.zeros(1))])
    assert type(optimizer) is kind
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.param_groups[0]["weight_decay"] == 0.25
    assert optimizer.param_groups[0].get("momentum", 0) == (0.9 if name == "sgd" else 0)
