"""The folded `lstm` against the network in float64, in batches of any size."""

import numpy as np
import pytest
import torch

from model.architectures.lstm.config import LstmConfig
from model.architectures.lstm.folded import FoldedLstm
from model.architectures.registry import build_network
from model.architectures.trained import Model, Weights
from model.engines.folded import FoldedPredictor
from pipeline.text.alphabet import PROFILES, get_profile
from tests.datasets import random_codes, random_model


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("config", [LstmConfig(dim=3, hidden=16), LstmConfig(dim=20, hidden=33, layers=3)], ids=str)
@torch.no_grad()
def test_folded_it_computes_the_same(config: LstmConfig, name: str) -> None:
    """At sizes that fill whole vectors and that do not, against the network in float64."""
    profile = get_profile(name, 21)
    model, weights = random_model(config, profile, num_classes=19, temperature=1.4)
    codes_NL = random_codes(profile, 130)
    network = build_network(config, profile, 19)
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    logits_NK = network.double().eval()(torch.from_numpy(codes_NL))
    expected_NK = torch.softmax(logits_NK / 1.4, dim=1).numpy()
    got_NK = FoldedPredictor(model, weights, num_threads=1).predict(codes_NL)
    np.testing.assert_allclose(got_NK, expected_NK, atol=2e-6, rtol=0)
    assert expected_NK.std(axis=0).max() > 5e-3, "all rows alike show nothing"


def test_batches_of_long_rows_are_smaller_and_give_the_same() -> None:
    config = LstmConfig(dim=3, hidden=9, layers=2)
    short, long = (FoldedLstm(*_folding(config, length)).batch_rows for length in (64, 60_000))
    assert (short, long) == (48, 6)
    model, _, weights = _folding(config, 30)
    codes_NL = random_codes(model.profile, 100).view()
    codes_NL.flags.writeable = False
    folded = FoldedLstm(model, config, weights)
    results = []
    for batch_rows in (6, 48):
        folded.batch_rows = batch_rows
        results.append(np.empty((100, 4), np.float32))
        folded.predict(codes_NL, results[-1])
    assert results[0].tobytes() == results[1].tobytes()


def _folding(config: LstmConfig, max_length: int) -> tuple[Model, LstmConfig, Weights]:
    model, weights = random_model(config, get_profile("seed", max_length))
    return model, config, weights
