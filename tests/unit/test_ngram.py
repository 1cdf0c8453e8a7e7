"""Which n-grams the `ngram` network sees, against a plain reading of its definition."""

from functools import cache
from itertools import pairwise

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.architecture import NgramConfig
from model.ngram import Ngram
from pipeline.alphabet import Profile, get_profile
from tests import naive

LENGTH = 16
SEED = get_profile("seed", LENGTH)


@cache
def _network(config: NgramConfig) -> Ngram:
    return Ngram(config, SEED, 2)


@cache
def _bucket_alone_in(row: tuple[int, ...], order: int) -> int:
    ids = _network(NgramConfig(word_order=0, min_order=order, max_order=order)).ngram_ids(
        torch.tensor([row], dtype=torch.uint8)
    )
    return int(ids[ids != NgramConfig().buckets])


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
    config=st.sampled_from([NgramConfig(), NgramConfig(word_order=0, min_order=1), NgramConfig(word_order=1)]),
)
def test_equal_ngrams_and_only_they_share_a_bucket(texts: list[str], config: NgramConfig) -> None:
    rows = [naive.encode_seed(text, LENGTH) for text in texts]
    ids = _network(config).ngram_ids(torch.tensor(rows, dtype=torch.uint8)).numpy()
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
    )  # Two collisions among a few hundred in 2**18 are possible.


def _bucket_alone(ngram: tuple[object, ...]) -> int:
    """The bucket of an n-gram, found in a row that was made for it: what an n-gram's number is must not depend on where it stands."""
    if ngram[0] == "word":
        return _last_id(f"{ngram[1]}", NgramConfig(word_order=1, min_order=LENGTH, max_order=LENGTH), 0)
    if ngram[0] == "pair":
        return _last_id(f"{ngram[1]} {ngram[2]}", NgramConfig(word_order=2, min_order=LENGTH, max_order=LENGTH), 1)
    codes = [int(str(code)) for code in ngram[1:]]
    return _bucket_alone_in((*codes, *[SEED.fill] * (LENGTH - len(codes))), len(codes))


@cache
def _last_id(text: str, config: NgramConfig, kind: int) -> int:
    codes = [SEED.alphabet.index(character) for character in text]
    row = torch.full((1, LENGTH), SEED.fill, dtype=torch.uint8)
    row[0, : len(codes)] = torch.tensor(codes, dtype=torch.uint8)
    ids = _network(config).ngram_ids(row)[0, 1:]  # Without the one n-gram of the full length.
    part = ids[kind * LENGTH : (kind + 1) * LENGTH]
    return int(part[part != config.buckets][-1])


def test_a_row_of_fill_has_no_ngrams_and_the_padding_row_stays_zero() -> None:
    network = Ngram(NgramConfig(buckets=50), SEED, 2)
    codes = torch.full((3, LENGTH), SEED.fill, dtype=torch.uint8)
    assert (network.ngram_ids(codes) == 50).all()
    torch.testing.assert_close(network(codes), network.linear.bias.expand(3, 2))
    codes = torch.from_numpy(np.array([naive.encode_seed("abc", LENGTH)], np.uint8))
    network(codes).sum().backward()
    assert network.bag.weight.grad is not None
    assert not network.bag.weight.grad[50].any()
    assert not network.bag.weight[50].any()
