"""Which n-grams the `ngram` network sees, against a plain reading of its definition."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.architectures.ngram.config import NgramConfig
from model.architectures.ngram.network import Ngram
from pipeline.text.alphabet import Profile, get_profile
from tests import naive

LENGTH = 16
SEED = get_profile("seed", LENGTH)
BUCKETS = 1 << 20
CONFIG = NgramConfig(buckets=BUCKETS)


@cache
def _network(config: NgramConfig) -> Ngram:
    return Ngram(config, SEED, 2)


@cache
def _bucket_alone_in(row: tuple[int, ...], order: int) -> int:
    config = NgramConfig(buckets=BUCKETS, word_order=0, min_order=order, max_order=order)
    ids, _ = _network(config).ngram_ids(torch.tensor([row], dtype=torch.uint8))
    return int(ids[ids != BUCKETS])


def naive_ngrams(codes: list[int], config: NgramConfig, profile: Profile) -> list[tuple[object, ...]]:
    """The n-grams of one row as tuples: equal tuples must share a bucket, and only they should."""
    text = codes[: codes.index(profile.fill)] if profile.fill in codes else codes
    found: list[tuple[object, ...]] = []
    for order in range(config.min_order, config.max_order + 1):
        found += [(order, *text[start : start + order]) for start in range(len(text) - order + 1)]
    words = "".join(profile.alphabet[code] for code in text).split(" ")
    words = [word for word in words if word]
    if config.word_order:
        found += [("word", word) for word in words]
    if config.word_order > 1:
        found += [("pair", *pair) for pair in pairwise(words)]
    return found


@settings(max_examples=50, deadline=None)
@given(
    texts=st.lists(st.text("abc d", max_size=20), min_size=1, max_size=5),
    config=st.sampled_from([CONFIG, replace(CONFIG, word_order=0, min_order=1), replace(CONFIG, word_order=1)]),
)
def test_equal_ngrams_and_only_they_share_a_bucket(texts: list[str], config: NgramConfig) -> None:
    rows = [naive.encode_seed(text, LENGTH) for text in texts]
    ids = torch.cat(_network(config).ngram_ids(torch.tensor(rows, dtype=torch.uint8)), dim=1).numpy()
    bucket_of: dict[tuple[object, ...], int] = {}
    for row, row_ids in zip(rows, ids, strict=True):
        expected = naive_ngrams(row, config, SEED)
        got = row_ids[row_ids != config.buckets]
        assert len(got) == len(expected)
        alone = {ngram: _bucket_alone(ngram) for ngram in set(expected)}
        bucket_of |= alone
        assert sorted(got) == sorted(alone[ngram] for ngram in expected)
    assert (
        len(set(bucket_of.values())) >= len(bucket_of) - 2
    )  # Two collisions among a few hundred in 2**20 are possible.


def _bucket_alone(ngram: tuple[object, ...]) -> int:
    """The bucket of an n-gram, found in a row that was made for it: what an n-gram's number is must not depend on where it stands."""
    if ngram[0] == "word":
        return _last_id(f"{ngram[1]}", replace(CONFIG, word_order=1, min_order=LENGTH, max_order=LENGTH), 0)
    if ngram[0] == "pair":
        return _last_id(f"{ngram[1]} {ngram[2]}", replace(CONFIG, word_order=2, min_order=LENGTH, max_order=LENGTH), 1)
    codes = [int(str(code)) for code in ngram[1:]]
    return _bucket_alone_in((*codes, *[SEED.fill] * (LENGTH - len(codes))), len(codes))


@cache
def _last_id(text: str, config: NgramConfig, kind: int) -> int:
    codes = [SEED.alphabet.index(character) for character in text]
    row = torch.full((1, LENGTH), SEED.fill, dtype=torch.uint8)
    row[0, : len(codes)] = torch.tensor(codes, dtype=torch.uint8)
    _, ids = _network(config).ngram_ids(row)
    part = ids[0, kind * LENGTH : (kind + 1) * LENGTH]
    return int(part[part != config.buckets][-1])


def test_a_row_of_fill_has_no_ngrams_and_the_padding_row_stays_zero() -> None:
    network = Ngram(NgramConfig(buckets=50), SEED, 2)
    codes = torch.full((3, LENGTH), SEED.fill, dtype=torch.uint8)
    assert all((ids == 50).all() for ids in network.ngram_ids(codes))
    torch.testing.assert_close(network(codes), network.linear.bias.expand(3, 2))
    codes = torch.from_numpy(np.array([naive.encode_seed("abc", LENGTH)], np.uint8))
    network(codes).sum().backward()
    assert network.bag.weight.grad is not None
    assert not network.bag.weight.grad[50].any()
    assert not network.bag.weight[50].any()


def test_words_with_capitals_are_read_both_ways() -> None:
    network = Ngram(replace(CONFIG, word_order=1), get_profile("bytes", LENGTH), 2)

    def words(text: str) -> set[int]:
        row = np.full((1, LENGTH), 255, np.uint8)
        row[0, : len(text)] = np.frombuffer(text.encode(), np.uint8)
        found = network.ngram_ids(torch.from_numpy(row))[1]
        return set(found[found != BUCKETS].tolist())

    assert len(words("apple pie")) == 2
    assert words("Apple pie") > words("apple pie")
    assert len(words("Apple pie")) == 3
    assert len(words("APPLE pie") & words("Apple pie")) == 2
    assert words("Apple") != words("aPPle")


@pytest.mark.parametrize("dim", [0, 5])
def test_what_is_rare_counts_more_and_finishing_changes_no_logit(dim: int) -> None:
    texts = ["aa", "aa", "aa", "aa bb"]
    codes = np.array([naive.encode_seed(text, LENGTH) for text in texts], np.uint8)
    network = Ngram(NgramConfig(buckets=1 << 12, dim=dim, word_order=1), SEED, 2)
    network.prepare([codes[:3], codes[3:]])
    rarity = network.rarity
    assert rarity is not None
    words = network.ngram_ids(torch.from_numpy(codes[3:]))[1][0]
    often, once = words[words != 1 << 12][:2]
    expected = (np.log(5 / 2) + 1) ** 1.5  # "bb" is in one of four rows, "aa" in all.
    assert float(rarity[once] / rarity[often]) == pytest.approx(expected)
    with torch.no_grad():
        network.bag.weight[:-1].normal_(generator=torch.Generator().manual_seed(1))
    before = network(torch.from_numpy(codes))
    network.finish()
    assert network.rarity is None
    torch.testing.assert_close(network(torch.from_numpy(codes)), before)
    assert before[0].sub(before[3]).abs().max() > 0.01


def test_rows_without_any_ngram_are_no_trouble() -> None:
    network = Ngram(NgramConfig(buckets=50), SEED, 2)
    network.prepare([np.full((3, LENGTH), SEED.fill, np.uint8)])
    assert network.rarity is not None
    assert torch.isfinite(network.rarity).all()
