"""An exported file, run by ONNX Runtime, computes what the network does, whatever the codes, the sizes and the profile are.

The oracle is the network in float64, so that one engine's rounding is not held against the other.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.architectures.base import Architecture
from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.ngram.config import NgramConfig
from model.architectures.registry import build_network
from model.architectures.trained import Model, Weights
from model.engines.folded import FoldedPredictor
from model.export.onnx_file import build_onnx
from model.export.trial import trial_codes
from model.export.verify import open_session
from pipeline.text.alphabet import PROFILES, Codes, Profile, get_profile
from tests.datasets import random_codes, random_model
from tests.properties.test_predictors import BATCH_NORM, CHARCNN, DIRECT, EVERY, LSTM, NGRAM, NO_NORM, STACKED

NO_WORDS = NgramConfig(buckets=64, dim=3, min_order=1, max_order=1, word_order=0)


def model_of(config: Architecture, profile: Profile, **more: Any) -> tuple[Model, Weights]:
    """A fresh model, its convolutions' weights half of those that the engines' tests take.

    With those, a row whose channels are nearly equal before a LayerNorm lets float32 alone be wrong by more than is allowed here.
    """
    model, weights = random_model(config, profile, **more)
    scale = np.float32(0.5 if isinstance(config, CharCnnConfig) else 1)
    return model, {name: scale * array for name, array in weights.items()}


def run_exported(model: Model, weights: Weights, codes_NL: Codes) -> npt.NDArray[np.float32]:
    session = open_session(build_onnx(model, weights), num_threads=1)
    (probabilities_NK,) = session.run(["probabilities"], {"codes": codes_NL})
    assert probabilities_NK.dtype == np.float32
    assert probabilities_NK.shape == (len(codes_NL), len(model.labels))
    return np.asarray(probabilities_NK)


@torch.inference_mode()
def oracle(model: Model, weights: Weights, codes_NL: Codes) -> npt.NDArray[np.float64]:
    network = build_network(model.architecture, model.profile, len(model.labels))
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    logits_NK = network.double().eval()(torch.from_numpy(codes_NL))
    return np.asarray(torch.softmax(logits_NK / model.temperature, dim=1))


def check_equal(model: Model, weights: Weights, codes_NL: Codes) -> None:
    expected = oracle(model, weights, codes_NL)
    np.testing.assert_allclose(run_exported(model, weights, codes_NL), expected, atol=1e-5, rtol=0)
    assert len(codes_NL) < 50 or expected.shape[1] == 1 or expected.std(axis=0).max() > 1e-3, "all alike show nothing"


def both(profile: Profile) -> Codes:
    return np.concatenate([random_codes(profile, 100), trial_codes(profile)[:300]])


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("config", [CharCnnConfig(), NGRAM, DIRECT, NO_WORDS, STACKED], ids=str)
def test_every_profile(config: Architecture, name: str) -> None:
    profile = get_profile(name)
    model, weights = model_of(config, profile, temperature=1.7)
    codes = both(profile)
    check_equal(model, weights, codes)
    folded = FoldedPredictor(model, weights, num_threads=1).predict(codes)
    np.testing.assert_allclose(run_exported(model, weights, codes), folded, atol=1e-5, rtol=0)


@pytest.mark.parametrize("max_length", [1, 2, 3, 5, 8, 9, 200])
@pytest.mark.parametrize(
    "config", [CHARCNN, NGRAM, replace(NGRAM, min_order=1, max_order=9, word_order=1), LSTM], ids=str
)
def test_every_length(config: Architecture, max_length: int) -> None:
    profile = get_profile("ascii", max_length)
    check_equal(*model_of(config, profile), both(profile))


@pytest.mark.parametrize("num_classes", [1, 2, 5, 6, 40])
@pytest.mark.parametrize("config", [CHARCNN, NGRAM])
def test_more_and_fewer_classes_than_dimensions(config: Architecture, num_classes: int) -> None:
    profile = get_profile("seed", 20)
    check_equal(*model_of(config, profile, num_classes=num_classes, temperature=0.6), both(profile))


@pytest.mark.parametrize(
    ("num_classes", "name", "width"), [(4, "bag.logits", 4), (5, "bag.weight", 5), (9, "bag.weight", 5)]
)
def test_the_narrower_table_is_stored(num_classes: int, name: str, width: int) -> None:
    proto = onnx.load_from_string(build_onnx(*model_of(NGRAM, get_profile("seed"), num_classes=num_classes)))
    stored = {tensor.name: list(tensor.dims) for tensor in proto.graph.initializer}
    assert stored[name] == [998, width]
    assert len({"bag.logits", "bag.weight"} & stored.keys()) == 1


def test_sizes_of_one() -> None:
    profile = get_profile("seed", 6)
    codes = both(profile)
    model, weights = model_of(CharCnnConfig(channels_1=1, channels_2=1, hidden=1), profile)
    got, expected = run_exported(model, weights, codes), oracle(model, weights, codes)
    np.testing.assert_allclose(got, expected, atol=1e-5, rtol=0)  # All alike: a norm of one channel leaves its bias.
    check_equal(*model_of(NgramConfig(buckets=1, dim=1), profile), codes)


def test_rows_shorter_than_any_ngram_have_the_bias_alone() -> None:
    profile = get_profile("seed", 3)
    model, weights = model_of(NgramConfig(buckets=50, dim=3, min_order=4, max_order=5, word_order=0), profile)
    bias = weights["linear.bias"].astype(np.float64)
    expected = np.exp(bias) / np.exp(bias).sum()
    got = run_exported(model, weights, random_codes(profile, 5))
    np.testing.assert_allclose(got, np.tile(expected, (5, 1)), atol=1e-6)


@pytest.mark.parametrize("num_classes", [2, 9])
def test_the_row_of_no_ngram_adds_nothing(num_classes: int) -> None:
    profile = get_profile("seed")
    model, weights = model_of(NGRAM, profile, num_classes=num_classes)
    weights["bag.weight"][-1] = 7
    check_equal(model, weights, both(profile))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(st.binary(min_size=7, max_size=7), min_size=1, max_size=30),
    name=st.sampled_from(["seed", "ascii", "bytes"]),
    config=st.sampled_from(
        [
            *(CHARCNN, BATCH_NORM, NO_NORM, LSTM, STACKED),
            *(NGRAM, replace(NGRAM, min_order=1, max_order=9), replace(NGRAM, word_order=1)),
        ]
    ),
)
def test_any_codes(rows: list[bytes], name: str, config: Architecture) -> None:
    profile = get_profile(name, 7)
    codes = (np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 7).astype(int) % profile.num_codes).astype(np.uint8)
    check_equal(*model_of(config, profile), codes)


@EVERY
def test_any_number_of_rows_at_once(config: Architecture) -> None:
    profile = get_profile("seed")
    model, weights = model_of(config, profile)
    codes = random_codes(profile, 700)
    session = open_session(build_onnx(model, weights), num_threads=2)
    (whole,) = session.run(None, {"codes": codes})
    for start, stop in ((0, 0), (0, 1), (3, 5), (100, 228), (1, 700)):
        (part,) = session.run(None, {"codes": codes[start:stop]})
        assert part.shape == (stop - start, 4)
        np.testing.assert_allclose(part, whole[start:stop], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("max_length", [1, 2, 64, 5000])
def test_trial_codes_are_of_the_profile_and_of_every_kind(name: str, max_length: int) -> None:
    profile = get_profile(name, max_length)
    codes = trial_codes(profile)
    assert codes.dtype == np.uint8
    assert codes.shape[1] == max_length
    assert codes.max() == profile.fill
    is_fill = codes == profile.fill
    assert is_fill.all(axis=1).any()
    assert (~is_fill).all(axis=1).any()
    assert codes.tobytes() == trial_codes(profile).tobytes()
    if max_length > 2:
        assert (is_fill[:, :-1] & ~is_fill[:, 1:]).any(), "none with fill inside"
        assert ((~is_fill).sum(axis=1) == 1).any(), "none with a single code"
