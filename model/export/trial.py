"""The codes that an exported file is tried on: those of texts, and some that no text has. Needs no onnx."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from model.architectures.ngram.hashing import word_codes
from pipeline.text.alphabet import Codes, Profile
from pipeline.text.encoder import Encoder, to_strings
from pipeline.text.synthetic import titles

_SEED = 828
_KIND_CODES = 16_384  # Codes of each kind of row: long rows are fewer, so that they take no more memory.
_MIN_ROWS, _MAX_ROWS = 8, 256


def trial_codes(profile: Profile) -> Codes:
    """Make rows of every kind that a network may treat differently, shuffled; the same for the same profile.

    Args:
        profile: Of the codes.

    Returns:
        uint8 [N, L], owned by the caller.
    """
    generator = np.random.default_rng(_SEED)
    num_rows = min(max(_KIND_CODES // profile.max_length, _MIN_ROWS), _MAX_ROWS)
    codes_NL = np.concatenate([*_texts(profile, num_rows), *_random(profile, num_rows, generator), _edges(profile)])
    return codes_NL[generator.permutation(len(codes_NL))]


def _texts(profile: Profile, num_rows: int) -> Iterator[Codes]:
    """Made-up titles, alone and several in a row, so that some are cut."""
    encoder = Encoder(profile)
    for num_titles in (1, 4):
        said = [title for _, title in titles(num_rows * num_titles, _SEED)]
        rows = [" ".join(said[start : start + num_titles]) for start in range(0, len(said), num_titles)]
        yield encoder.encode(to_strings(pl.Series(rows)))


def _random(profile: Profile, num_rows: int, generator: np.random.Generator) -> Iterator[Codes]:
    """Random codes: in full rows, in rows of all lengths, with fill in the middle, and broken into short words."""
    length, fill = profile.max_length, profile.fill
    full = generator.integers(0, fill, (num_rows, length), dtype=np.uint8)
    yield full
    lengths = generator.integers(0, length + 1, (num_rows, 1))
    yield np.where(np.arange(length) < lengths, full, fill).astype(np.uint8)
    yield np.where(generator.random((num_rows, length)) < 0.3, fill, full).astype(np.uint8)
    in_word = word_codes(profile)[: fill + 1]
    inside, between = np.flatnonzero(in_word), np.flatnonzero(~in_word)
    is_gap = generator.random((num_rows, length)) < 0.3
    yield np.where(is_gap, generator.choice(between, is_gap.shape), generator.choice(inside, is_gap.shape)).astype(
        np.uint8
    )


def _edges(profile: Profile) -> Codes:
    """Edge cases: all fill, a code alone at either end of a row, one code in every place, words and gaps of one character."""
    length, fill = profile.max_length, profile.fill
    codes = np.unique(np.linspace(0, fill, 16).astype(np.uint8))
    first, last = np.full((2, len(codes), length), fill, np.uint8)
    first[:, 0] = last[:, -1] = codes
    same = np.repeat(codes[:, None], length, axis=1)
    in_word = word_codes(profile)
    word, gap = np.uint8(np.argmax(in_word)), np.uint8(np.argmin(in_word))
    turns = np.where((np.arange(length) + np.arange(2)[:, None]) % 2, word, gap)
    return np.concatenate([first, last, same, turns])
