"""The folded `charcnn` against a plain one in float64: by the table of trigrams and by the product, in any size, on any codes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.charcnn.folded import TABLE_BYTES, FoldedCharCnn
from model.architectures.charcnn.kernel import BATCH_ROWS
from model.architectures.trained import Model, Weights
from pipeline.text.alphabet import PROFILES, Codes, get_profile
from tests import naive_network
from tests.datasets import random_codes, random_model

WAYS = {"table": 1 << 40, "product": 0}
SIZES = [
    CharCnnConfig(),
    CharCnnConfig(channels_1=2, channels_2=3, hidden=2),
    CharCnnConfig(channels_1=16, channels_2=16, hidden=16),
    CharCnnConfig(channels_1=17, channels_2=33, hidden=31),
    CharCnnConfig(channels_1=40, channels_2=5, hidden=70),
    CharCnnConfig(channels_1=18, channels_2=7, hidden=9, norm="batch"),
    CharCnnConfig(channels_1=18, channels_2=7, hidden=9, norm="none"),
]


def predict(
    network: FoldedCharCnn, codes: Codes, num_classes: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    codes = np.ascontiguousarray(codes).view()
    codes.flags.writeable = False
    result = np.full((len(codes), num_classes), np.nan, np.float32)
    network.predict(codes, result)
    return result


def fold(model: Model, weights: Weights, table_bytes: int = TABLE_BYTES) -> FoldedCharCnn:
    assert isinstance(model.architecture, CharCnnConfig)
    return FoldedCharCnn(model, model.architecture, weights, table_bytes=table_bytes)


def check(model: Model, weights: Weights, codes: Codes, table_bytes: int) -> None:
    got = predict(fold(model, weights, table_bytes), codes, len(model.labels))
    expected = naive_network.probabilities(model, weights, codes)
    np.testing.assert_allclose(got, expected, atol=1e-5, rtol=0)
    assert expected.std(axis=0).max() > 0.01, "all rows alike show nothing"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("config", SIZES, ids=str)
def test_any_size(config: CharCnnConfig, way: str) -> None:
    profile = get_profile("seed")
    check(*random_model(config, profile, num_classes=3), random_codes(profile, 150), WAYS[way])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("num_classes", [2, 16, 17, 45])
def test_any_number_of_classes(num_classes: int, way: str) -> None:
    profile = get_profile("seed", 20)
    model, weights = random_model(CharCnnConfig(), profile, num_classes=num_classes)
    check(replace(model, temperature=1.7), weights, random_codes(profile, 100), WAYS[way])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("max_length", [1, 2, 3, 4, 5, 64, 150])
def test_any_length(max_length: int, way: str) -> None:
    profile = get_profile("seed", max_length)
    check(*random_model(SIZES[3], profile), random_codes(profile, 120), WAYS[way])


@pytest.mark.parametrize("name", PROFILES)
def test_any_profile(name: str) -> None:
    profile = get_profile(name)
    check(*random_model(CharCnnConfig(), profile), random_codes(profile, 100), TABLE_BYTES)


@pytest.mark.parametrize("way", WAYS)
def test_rows_that_no_text_gives(way: str) -> None:
    profile = get_profile("seed", 12)
    fill = profile.fill
    codes = np.full((40, 12), fill, np.uint8)
    for row in range(12):
        codes[row, row] = row  # One code, from the first place to the last.
        codes[12 + row, : row + 1] = 26  # Texts of each length.
        codes[24 + row, row:] = 5  # Fill before the text.
    codes[36:] = 0
    check(*random_model(SIZES[3], profile), codes, WAYS[way])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(st.lists(st.integers(0, 27), min_size=9, max_size=9), min_size=1, max_size=2 * BATCH_ROWS + 3),
    way=st.sampled_from(sorted(WAYS)),
)
def test_any_codes(rows: list[list[int]], way: str) -> None:
    profile = get_profile("seed", 9)
    model, weights = random_model(SIZES[3], profile)
    codes = np.array(rows, np.uint8)
    got = predict(fold(model, weights, WAYS[way]), codes, 4)
    np.testing.assert_allclose(got, naive_network.probabilities(model, weights, codes), atol=1e-5, rtol=0)


@pytest.mark.parametrize("way", WAYS)
def test_channels_that_hardly_differ_are_normalised_exactly(way: str) -> None:
    """A variance taken as the mean of squares less the square of the mean would be lost in rounding here."""
    profile = get_profile("seed", 16)
    model, weights = random_model(CharCnnConfig(), profile)
    weights = {**weights, "conv_2.bias": weights["conv_2.bias"] + np.float32(100)}
    check(model, weights, random_codes(profile, 100), WAYS[way])


def test_a_table_is_made_only_where_it_is_small_enough() -> None:
    for name, expected in (("seed", True), ("ascii", False), ("bytes", False)):
        network = fold(*random_model(CharCnnConfig(), get_profile(name)))
        assert (network.table is not None) == expected
