"""The encoder on the examples that the contract names, and on real titles."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.text.alphabet import PROFILES, get_profile
from pipeline.text.encoder import Encoder, hash_texts, to_strings
from tests import naive


def encode(text: str, max_length: int = 64, profile: str = "seed") -> list[int]:
    codes: list[int] = Encoder(get_profile(profile, max_length)).encode(to_strings(pl.Series([text])))[0].tolist()
    return codes


def decode(codes: list[int]) -> str:
    return "".join(naive.SEED_ALPHABET[code] for code in codes if code < 27)


def test_empty_text_is_eos_with_its_leading_space() -> None:
    assert encode("") == [26, 4, 14, 18] + [27] * 60


def test_hello() -> None:
    assert encode("hello")[:5] == [7, 4, 11, 11, 14]


def test_the_articles_title() -> None:
    codes = encode("In a Down Market, Head Toward Value Funds")
    assert decode(codes) == "in a down market head toward value funds eos"
    assert codes[44:] == [27] * 20


def test_kelvin_sign_is_k_and_dotted_capital_i_is_i_and_a_space() -> None:
    assert decode(encode("\u212aelvin")) == "kelvin eos"
    assert decode(encode("\u0130stanbul")) == "i stanbul eos"
    assert decode(encode("\u0130")) == "i eos"


@pytest.mark.parametrize(("num_letters", "end"), [(60, " eos"), (61, " eo"), (62, " e"), (63, " "), (64, "")])
def test_eos_is_cut_at_max_length(num_letters: int, end: str) -> None:
    assert decode(encode("a" * num_letters)) == "a" * num_letters + end


def test_a_row_of_bytes_is_cut_between_bytes() -> None:
    assert encode("aé", 2, "bytes") == [97, 0xC3]
    assert encode("a", 3, "bytes") == [97, 255, 255]


def test_ascii_keeps_digits_and_punctuation_and_appends_nothing() -> None:
    alphabet = PROFILES["ascii"].alphabet
    codes = encode("  No. 5 {x} ", 16, "ascii")
    assert "".join(alphabet[code] for code in codes if code < len(alphabet)) == "no. 5 x"


@pytest.mark.parametrize("name", sorted(PROFILES))
@pytest.mark.parametrize("strings", [[], [""], ["", ""], ["", "a", ""]])
def test_columns_with_next_to_nothing(name: str, strings: list[str]) -> None:
    profile = PROFILES[name]
    codes_NL = Encoder(profile).encode(to_strings(pl.Series(strings, dtype=pl.String)))
    assert codes_NL.shape == (len(strings), profile.max_length)
    assert codes_NL.tolist() == [naive.encode(string, profile) for string in strings]


def test_codes_are_the_callers_own() -> None:
    encoder = Encoder(PROFILES["seed"])
    first, second = (encoder.encode(to_strings(pl.Series([text]))) for text in "ab")
    first[:] = 99
    assert second[0, 0] == 1


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_real_titles(agnews: Path, name: str) -> None:
    titles = pl.read_csv(agnews, has_header=False, columns=["column_2"], n_rows=15_000)["column_2"]
    profile = PROFILES[name]
    expected = np.array([naive.encode(title, profile) for title in titles], np.uint8)

    assert np.array_equal(Encoder(profile).encode(to_strings(titles)), expected)


def test_hash_is_stable() -> None:
    """Splits of published datasets depend on these numbers."""
    assert hash_texts(to_strings(pl.Series(["", "hello"])), 828).tolist() == [0x6ECB67E4D29068AA, 0xC235437CCAE5BA71]
