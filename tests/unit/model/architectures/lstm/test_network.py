"""The `lstm` network against torch's own bidirectional LSTM on each row alone, cut where its text ends."""

import numpy as np
import pytest
import torch
from torch import nn

from model.architectures.lstm.config import LstmConfig
from model.architectures.lstm.folded import FoldedLstm
from model.architectures.lstm.network import Lstm
from model.architectures.registry import build_network
from model.architectures.trained import Model, Weights
from model.engines.folded import FoldedPredictor
from pipeline.text.alphabet import PROFILES, get_profile
from tests.datasets import random_codes, random_model

PROFILE = get_profile("seed", 12)


def theirs(network: Lstm, config: LstmConfig) -> nn.LSTM:
    """PyTorch's, of all layers and both directions in one, with the same weights."""
    whole = nn.LSTM(config.dim, config.hidden, config.layers, batch_first=True, bidirectional=True)
    state = {}
    for layer in range(config.layers):
        for way, suffix in (("ahead", ""), ("back", "_reverse")):
            for name, tensor in network.lstms[layer].get_submodule(way).state_dict().items():
                state[name.replace("_l0", f"_l{layer}") + suffix] = tensor
    whole.load_state_dict(state)
    return whole


@pytest.mark.parametrize("layers", [1, 3])
@torch.no_grad()
def test_it_is_torchs_on_rows_without_fill(layers: int) -> None:
    config = LstmConfig(dim=4, hidden=5, layers=layers)
    torch.manual_seed(0)
    network = Lstm(config, PROFILE, 3).eval()
    lstm = theirs(network, config)
    codes_BL = torch.from_numpy(random_codes(PROFILE, 30))
    for codes_L, logits_K in zip(codes_BL, network(codes_BL), strict=True):
        text = (codes_L != PROFILE.fill).nonzero()
        length = int(text[-1]) + 1 if len(text) else 1  # A row of nothing but fill counts as one fill code.
        outputs, _ = lstm(network.embedding(codes_L[None, :length].long()))
        pooled = torch.cat((outputs.mean(1), outputs.amax(1)), dim=1)
        torch.testing.assert_close(logits_K, network.linear(pooled)[0], atol=1e-6, rtol=0)


@torch.no_grad()
def test_what_fill_follows_a_text_does_not_matter() -> None:
    """A row in a longer profile, with more fill behind it, has the same logits."""
    torch.manual_seed(0)
    network = build_network(LstmConfig(hidden=6), PROFILE, 3).eval()
    codes_BL = torch.from_numpy(random_codes(PROFILE, 40))
    longer = nn.functional.pad(codes_BL, (0, 9), value=PROFILE.fill)
    torch.testing.assert_close(network(longer), network(codes_BL), atol=1e-6, rtol=0)
    inner = codes_BL.clone()
    inner[-1, 3] = PROFILE.fill  # Within a text it is a code as any other.
    assert not torch.allclose(network(inner)[-1], network(codes_BL)[-1])


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
    short, long = (FoldedLstm(*_folding(config, length))._batch_rows for length in (64, 60_000))
    assert (short, long) == (48, 6)
    model, _, weights = _folding(config, 30)
    codes_NL = random_codes(model.profile, 100).view()
    codes_NL.flags.writeable = False
    folded = FoldedLstm(model, config, weights)
    results = []
    for batch_rows in (6, 48):
        folded._batch_rows = batch_rows
        results.append(np.empty((100, 4), np.float32))
        folded.predict(codes_NL, results[-1])
    assert results[0].tobytes() == results[1].tobytes()


def _folding(config: LstmConfig, max_length: int) -> tuple[Model, LstmConfig, Weights]:
    model, weights = random_model(config, get_profile("seed", max_length))
    return model, config, weights
