"""Evaluation equals scikit-learn's, batch by batch or at once."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss

from model.metrics import evaluate


class _Logits(torch.nn.Module):
    """A network whose codes are the numbers of rows in a table of logits."""

    def __init__(self, logits_NK: torch.Tensor) -> None:
        super().__init__()
        self.logits_NK = logits_NK

    def forward(self, codes_BL: torch.Tensor) -> torch.Tensor:
        return self.logits_NK[codes_BL[:, 0].long()]


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_it_measures_what_scikit_learn_does(batch: int) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 4, generator=generator)
    labels = torch.randint(0, 3, (50,), generator=generator)  # No row is of the last class.
    rows = torch.arange(50)[:, None]
    got = evaluate(_Logits(logits), zip(torch.split(rows, batch), torch.split(labels, batch), strict=True), 4)
    predicted = logits.argmax(1)
    assert got.accuracy == pytest.approx(accuracy_score(labels, predicted))
    assert got.loss == pytest.approx(log_loss(labels, torch.softmax(logits, 1).numpy(), labels=range(4)), rel=1e-5)
    np.testing.assert_array_equal(got.confusion, confusion_matrix(labels, predicted, labels=range(4)))


def test_nothing_to_evaluate_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="no batch"):
        evaluate(_Logits(torch.zeros(1, 2)), [], 2)
