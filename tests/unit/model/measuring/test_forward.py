"""Evaluation equals scikit-learn's, batch by batch or at once."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss

from model.engines.torch_predictor import BATCH_ROWS
from model.measuring.forward import loss_and_accuracy, predict_logits
from pipeline.batches.gather import ShardRows
from tests.building import numbered_dataset


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
    got = loss_and_accuracy(_Logits(logits), zip(torch.split(rows, batch), torch.split(labels, batch), strict=True))
    predicted = logits.argmax(1)
    assert got.accuracy == pytest.approx(accuracy_score(labels, predicted))
    assert got.loss == pytest.approx(log_loss(labels, torch.softmax(logits, 1).numpy(), labels=range(4)), rel=1e-5)


def test_logits_are_those_of_the_rows_asked_for(tmp_path: Path) -> None:
    num_rows = BATCH_ROWS // 4
    manifest = numbered_dataset(tmp_path / "dataset", [7, 100, 149], "valid")
    table = torch.randn(256, 300, generator=torch.Generator().manual_seed(0))
    network = _Logits(table).train()
    chosen = np.resize(np.arange(num_rows), 5 * num_rows)  # More than a batch.
    rows = ShardRows(tmp_path / "dataset", manifest.shards)
    logits, label_ids = predict_logits(network, rows, chosen, 300, torch.device("cpu"))
    assert not network.training
    np.testing.assert_array_equal(label_ids, chosen)
    np.testing.assert_array_equal(logits, table[chosen])


def test_nothing_to_evaluate_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="no batch"):
        loss_and_accuracy(_Logits(torch.zeros(1, 2)), [])
