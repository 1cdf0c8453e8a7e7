"""What is not finite is found and named, wherever it hides."""

import math

import pytest
import torch
from torch import nn

from model.training.epoch import EpochSums, find_not_finite


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_and_what_the_optimiser_remembers(value: float) -> None:
    torch.manual_seed(1)
    linear = nn.Linear(3, 2)
    network = nn.Sequential(linear, nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1, fused=True)
    assert find_not_finite(network, optimizer) is None
    network(torch.rand(4, 3)).square().sum().backward()
    optimizer.step()
    assert find_not_finite(network, optimizer) is None
    with torch.no_grad():
        linear.weight[0, 0] = 1e30
    assert find_not_finite(network, optimizer) is None
    places: list[tuple[torch.Tensor, str]] = [
        (linear.weight, "the weights in 0.weight"),
        (network.state_dict()["1.running_mean"], "the weights in 1.running_mean"),
        (optimizer.state[linear.bias]["exp_avg_sq"], "the optimiser's exp_avg_sq of 0.bias"),
    ]
    for tensor, name in places:
        with torch.no_grad():
            good = tensor.clone()
            tensor.view(-1)[-1] = value
            assert find_not_finite(network, optimizer) == name
            tensor.copy_(good)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_first_batch_with_a_bad_loss_is_known_however_late_one_asks(value: float) -> None:
    logits_BK, label_ids_B = torch.eye(2), torch.tensor([0, 1])
    sums = EpochSums(torch.device("cpu"))
    for loss in (1.0, 2.0):
        sums.add(torch.tensor(loss), logits_BK, label_ids_B)
    assert sums.first_not_finite_batch() is None
    again = EpochSums(torch.device("cpu"))
    again.load_state_dict(sums.state_dict())
    for loss in (3.0, value, 4.0, 5.0):
        again.add(torch.tensor(loss), logits_BK, label_ids_B)
    found = again.first_not_finite_batch()
    assert found is not None
    assert found[0] == 4
    assert not math.isfinite(found[1])
