"""Every architecture: its options, its sizes as JSON, the weights that it announces, and what all networks have in common."""

from dataclasses import replace

import pytest
import torch

from model.architectures.base import Architecture, config_to_json
from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.lstm.config import LstmConfig
from model.architectures.ngram.config import NgramConfig
from model.architectures.registry import CONFIGS, build_network, choose_architecture, config_from_json
from pipeline.errors import UsageError
from pipeline.text.alphabet import PROFILES, get_profile
from tests.datasets import random_codes

SEED = get_profile("seed")


@pytest.mark.parametrize("name", PROFILES)
def test_the_text_of_a_row_alone_decides_its_logits(name: str) -> None:
    """No layer mixes rows, and the network takes codes of every profile."""
    profile = get_profile(name, 12)
    torch.manual_seed(0)
    for config in (CharCnnConfig(), CharCnnConfig(norm="batch"), NgramConfig(buckets=100), LstmConfig(hidden=5)):
        network = build_network(config, profile, 3).eval()
        codes = torch.from_numpy(random_codes(profile, 20))
        torch.testing.assert_close(network(codes)[7:9], network(codes[7:9]))


def fill_tables(network: torch.nn.Module) -> None:
    """An n-gram's numbers begin as zeros, with which nothing shows."""
    for module in network.modules():
        if isinstance(module, torch.nn.EmbeddingBag):
            torch.nn.init.normal_(module.weight.data[:-1])


@pytest.mark.parametrize(
    "config", [CharCnnConfig(dropout=0.5), NgramConfig(buckets=100, dropout=0.5), LstmConfig(hidden=5, dropout=0.5)]
)
def test_dropping_features_changes_training_only(config: Architecture) -> None:
    torch.manual_seed(0)
    network = build_network(config, SEED, 3)
    fill_tables(network)
    codes = torch.from_numpy(random_codes(SEED, 5))[1:3]
    assert not torch.equal(network.train()(codes), network(codes))
    assert torch.equal(network.eval()(codes), network(codes))
    without = build_network(replace(config, dropout=0.0), SEED, 3).train()  # type: ignore[call-arg]
    fill_tables(without)
    assert torch.equal(without(codes), without(codes))


@pytest.mark.parametrize(
    "config",
    [
        *(CharCnnConfig(hidden=7), CharCnnConfig(norm="batch", dropout=0.2)),
        *(NgramConfig(buckets=100, dim=4, word_order=1, dropout=0.25), LstmConfig(layers=2)),
    ],
)
def test_a_config_survives_its_json(config: Architecture) -> None:
    assert config_from_json(config_to_json(config)) == config


def test_options_are_the_architectures_own_unless_given() -> None:
    assert choose_architecture("charcnn", 3, dropout=None, norm=None) == CharCnnConfig()
    assert choose_architecture("charcnn", 3, dropout=0.1, norm="none") == CharCnnConfig(dropout=0.1, norm="none")
    assert choose_architecture("lstm", 3, dropout=0.0, norm=None) == LstmConfig(dropout=0.0)
    for name in ("lstm", "ngram"):
        with pytest.raises(UsageError, match=f"--norm layer: --arch {name} has none.*: charcnn$"):
            choose_architecture(name, 3, norm="layer")


@pytest.mark.parametrize(
    "config", [*(kind().sized(3) for kind in CONFIGS.values()), CharCnnConfig(norm="batch"), LstmConfig(layers=3)]
)
def test_the_weights_are_those_that_were_announced(config: Architecture) -> None:
    state = build_network(config, SEED, 3).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == config.weight_shapes(SEED, 3)
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}


@pytest.mark.parametrize(
    "change", [{"name": "gru"}, {"name": None}, {"heads": 8}, {"hidden": 6.5}, {"hidden": "64"}, {"hidden": True}]
)
def test_a_config_of_another_charmill_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected one of charcnn|heads is unknown|Expected `int`"):
        config_from_json(config_to_json(CharCnnConfig()) | change)


def test_a_model_of_an_older_kind_is_refused() -> None:
    older = config_to_json(NgramConfig())
    del older["word_weight"]
    with pytest.raises(ValueError, match="'ngram': word_weight is missing"):
        config_from_json(older)
