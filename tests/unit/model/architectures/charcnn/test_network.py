"""The `charcnn` network is the article's."""

from collections.abc import Callable
from dataclasses import replace

import einops.layers.torch as elt
import pytest
import torch

from model.architectures.base import Architecture, config_to_json
from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.charcnn.network import ChannelBatchNorm, CharCnn, OneHot
from model.architectures.lstm.config import LstmConfig
from model.architectures.ngram.config import NgramConfig
from model.architectures.registry import CONFIGS, build_network, choose_architecture, config_from_json
from pipeline.errors import UsageError
from pipeline.text.alphabet import PROFILES, get_profile
from tests import naive
from tests.datasets import random_codes

SEED = get_profile("seed")


def article() -> torch.nn.Sequential:
    """As printed there, without the closing softmax."""
    return torch.nn.Sequential(
        elt.Rearrange("b l c -> b c l"),
        torch.nn.Conv1d(28, 32, kernel_size=3, padding=1),
        elt.Rearrange("b c l -> b l c"),
        torch.nn.ReLU(),
        torch.nn.LayerNorm(32),
        elt.Rearrange("b l c -> b c l"),
        torch.nn.Conv1d(32, 28, kernel_size=3, padding=1),
        elt.Rearrange("b c l -> b l c"),
        torch.nn.ReLU(),
        torch.nn.LayerNorm(28),
        torch.nn.Flatten(),
        torch.nn.Linear(64 * 28, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 5),
    )


def article_one_hot(text: str) -> torch.Tensor:
    """The article's matrix, float [64, 28]: rows of zeros after the text."""
    matrix = torch.zeros(64, 28)
    for position, character in enumerate(naive.clean_seed(text)[:64]):
        matrix[position, "abcdefghijklmnopqrstuvwxyz ".index(character)] = 1
    return matrix


def test_it_is_the_article_network_given_the_same_weights() -> None:
    torch.manual_seed(0)
    theirs, ours = article(), CharCnn(CharCnnConfig(), SEED, 5)
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    texts = ["In a Down Market, Head Toward Value Funds", "", "x" * 200, "İstanbul \u212a 42"]
    matrices = torch.stack([article_one_hot(text) for text in texts])
    codes = torch.tensor([naive.encode_seed(text) for text in texts], dtype=torch.uint8)
    torch.testing.assert_close(ours(codes), theirs(matrices), atol=1e-6, rtol=0)


def test_the_loss_is_the_article_loss() -> None:
    torch.manual_seed(0)
    logits, label_ids = torch.randn(6, 5), torch.tensor([0, 1, 2, 3, 4, 0])
    label = torch.eye(5)[label_ids]
    theirs = -torch.sum(label * torch.log(torch.softmax(logits, 1))) / label.shape[0]
    torch.testing.assert_close(torch.nn.functional.cross_entropy(logits, label_ids), theirs)


@pytest.mark.parametrize("name", PROFILES)
def test_the_fill_code_is_a_row_of_zeros_and_every_other_code_one_channel(name: str) -> None:
    profile = get_profile(name)
    rows = OneHot(profile)(torch.arange(profile.num_codes, dtype=torch.uint8)[None])[0]
    assert not rows[profile.fill].any()
    torch.testing.assert_close(rows[: profile.fill], torch.eye(profile.num_codes)[: profile.fill])


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


def test_what_came_later_is_not_said_where_it_changes_nothing() -> None:
    """So the fingerprint of a model that was trained before stays, and with it what the ledger of drops says was scored."""
    old = {"name": "charcnn", "channels_1": 32, "channels_2": 28, "hidden": 64}
    assert config_from_json(old) == CharCnnConfig()
    assert config_to_json(CharCnnConfig()) == old
    assert config_to_json(CharCnnConfig(norm="none")) == {**old, "norm": "none"}


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


@pytest.mark.parametrize("num_rows", [1, 6])
def test_batch_norm_is_torchs(num_rows: int) -> None:
    ours, theirs = ChannelBatchNorm(3), torch.nn.BatchNorm1d(3)
    x_BLC = torch.randn(num_rows, 5, 3, generator=torch.Generator().manual_seed(0)) * 4 + 1
    for _ in range(3):
        expected = theirs(x_BLC.transpose(1, 2)).transpose(1, 2)
        torch.testing.assert_close(ours(x_BLC), expected)
    torch.testing.assert_close(ours.eval()(x_BLC), theirs.eval()(x_BLC.transpose(1, 2)).transpose(1, 2))
    assert not torch.equal(ours.running_mean, torch.zeros(3))


def test_a_batch_of_one_position_is_normed_by_what_ran_along() -> None:
    norm = ChannelBatchNorm(3).train()
    torch.testing.assert_close(norm(torch.ones(1, 1, 3)), torch.ones(1, 1, 3), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "change", [{"name": "gru"}, {"name": None}, {"heads": 8}, {"hidden": 6.5}, {"hidden": "64"}, {"hidden": True}]
)
def test_a_config_of_another_charmill_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected one of charcnn|heads is unknown|Expected `int`"):
        config_from_json(config_to_json(CharCnnConfig()) | change)


@pytest.mark.parametrize(
    "make",
    [
        lambda: CharCnnConfig(hidden=0),
        lambda: replace(NgramConfig(), min_order=5, max_order=4),
        lambda: NgramConfig(word_order=3),
        lambda: NgramConfig(word_weight=0.0),
        lambda: NgramConfig(buckets=-1),
        lambda: NgramConfig(dropout=1.0),
        lambda: CharCnnConfig(dropout=-0.1),
        lambda: CharCnnConfig(norm="group"),
        lambda: LstmConfig(layers=0),
        lambda: LstmConfig(dropout=1.0),
    ],
)
def test_sizes_that_make_no_sense_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(UsageError, match=r"hidden|min_order|word_order|word_weight|buckets|dropout|norm|layers"):
        make()
