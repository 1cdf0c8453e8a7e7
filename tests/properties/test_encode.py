"""The fast encoder equals the oracle: any string, any profile and length, any layout of the column."""

import sys
import unicodedata

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.text.alphabet import PROFILES, Profile, get_profile
from pipeline.text.encoder import Encoder, hash_texts, to_strings
from tests import naive
from tests.strategies import FEW, MANY, texts

PROFILE_NAMES = st.sampled_from(sorted(PROFILES))
LENGTHS = st.one_of(st.integers(1, 12), st.just(64), st.integers(1, 300))


def assert_equals_oracle(strings: list[str], column: pl.Series, profile: Profile) -> None:
    codes_NL = Encoder(profile).encode(to_strings(column))
    assert codes_NL.dtype == np.uint8
    assert codes_NL.tolist() == [naive.encode(string, profile) for string in strings]


@MANY
@given(strings=st.lists(texts(), max_size=6), name=PROFILE_NAMES, max_length=LENGTHS)
@example(
    strings=["a" * 62, "a" * 64, "a" * 63 + " b", "", " ", "\u212a", "\u0130", "\u0130\u0130"],
    name="seed",
    max_length=64,
)
@example(strings=["\u0130x", "x\u0130", "\u212a"], name="seed", max_length=1)
def test_any_string(strings: list[str], name: str, max_length: int) -> None:
    assert_equals_oracle(strings, pl.Series(strings, dtype=pl.String), get_profile(name, max_length))


@FEW
@given(
    parts=st.lists(st.lists(texts(30), max_size=5), min_size=1, max_size=4), cut=st.tuples(*[st.integers(0, 20)] * 2)
)
def test_chunked_and_sliced_columns(parts: list[list[str]], cut: tuple[int, int]) -> None:
    column = pl.Series(parts[0], dtype=pl.String)
    for part in parts[1:]:
        column.append(pl.Series(part, dtype=pl.String))
    strings = [string for part in parts for string in part]
    offset, length = cut

    assert_equals_oracle(strings[offset : offset + length], column.slice(offset, length), PROFILES["seed"])


@pytest.mark.parametrize("name", ["seed", "ascii"])
def test_two_characters_outside_ascii_have_lower_case_forms_inside_it(name: str) -> None:
    """The kernel knows these two and no others; a new Unicode version that adds one makes this fail."""
    special = [
        chr(point)
        for point in range(128, sys.maxunicode + 1)
        if any(character < "\x80" for character in chr(point).lower())
    ]
    assert special == ["\u0130", "\u212a"], unicodedata.unidata_version


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_code_point(name: str) -> None:
    """Each between letters, so that what it does to its neighbours shows."""
    profile = get_profile(name, 4096)
    points = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000]
    step = profile.max_length // 5  # Of up to four bytes, and the letter.
    strings = ["b".join(points[start : start + step]) for start in range(0, len(points), step)]

    assert_equals_oracle(strings, pl.Series(strings), profile)


@FEW
@given(strings=st.lists(texts(), max_size=5), seed=st.integers(0, 2**63 - 1))
def test_hash_equals_its_definition(strings: list[str], seed: int) -> None:
    def naive_hash(text: str) -> int:
        state = 0xCBF29CE484222325 ^ seed
        for byte in text.encode():
            state = (state ^ byte) * 0x100000001B3 % 2**64
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
        return state ^ (state >> 31)

    assert hash_texts(pa.array(strings, pa.large_string()), seed).tolist() == [naive_hash(string) for string in strings]
