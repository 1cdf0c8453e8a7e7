"""The `lstm` network against torch's own bidirectional LSTM on each row alone, cut where its text ends."""

import pytest
import torch
from torch import nn

from model.architectures.lstm.config import LstmConfig
from model.architectures.lstm.network import Lstm
from model.architectures.registry import build_network
from pipeline.text.alphabet import get_profile
from tests.datasets import random_codes

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
