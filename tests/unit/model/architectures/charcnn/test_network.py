"""The `charcnn` network is the article's."""

import einops.layers.torch as elt
import pytest
import torch

from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.charcnn.network import ChannelBatchNorm, CharCnn, OneHot
from pipeline.text.alphabet import PROFILES, get_profile
from tests import naive

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
