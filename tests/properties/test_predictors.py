"""Both engines compute the same, whatever the codes are and however many rows come at once."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.architectures.base import Architecture
from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.lstm.config import LstmConfig
from model.architectures.ngram.config import NgramConfig
from model.architectures.ngram.frequencies import document_frequencies
from model.architectures.ngram.network import Ngram
from model.architectures.trained import Model, Weights
from model.engines.folded import FoldedPredictor
from model.engines.predictor import Predictor
from model.engines.torch_predictor import BATCH_ROWS, TorchPredictor
from pipeline.errors import InputError
from pipeline.text.alphabet import PROFILES, get_profile
from tests.datasets import random_codes, random_model

CHARCNN = CharCnnConfig(channels_1=8, channels_2=6, hidden=10)
BATCH_NORM, NO_NORM = replace(CHARCNN, norm="batch"), replace(CHARCNN, norm="none")
NGRAM = NgramConfig(buckets=997, dim=5)
DIRECT = NgramConfig(buckets=1024)
LSTM = LstmConfig(dim=5, hidden=9)
STACKED = LstmConfig(dim=3, hidden=17, layers=2)
EVERY = pytest.mark.parametrize("config", [CHARCNN, NGRAM, LSTM], ids=["charcnn", "ngram", "lstm"])


def engines(model: Model, weights: Weights) -> tuple[Predictor, Predictor]:
    torch_engine = TorchPredictor(model, weights, device="cpu", num_threads=1)
    return FoldedPredictor(model, weights, num_threads=1), torch_engine


def check_equal(model: Model, weights: Weights, codes: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> None:
    a, b = (engine.predict(codes) for engine in engines(model, weights))
    assert a.dtype == b.dtype == np.float32
    assert a.shape == (len(codes), len(model.labels))
    np.testing.assert_allclose(a, b, atol=1e-5, rtol=0)
    np.testing.assert_allclose(a.sum(axis=1), 1, atol=1e-6)
    first_two = np.sort(b, axis=1)[:, -2:]
    clear = first_two[:, 1] - first_two[:, 0] > 2e-5
    np.testing.assert_array_equal(a.argmax(axis=1)[clear], b.argmax(axis=1)[clear])
    assert clear.mean() > 0.9
    assert a.std(axis=0).max() > 1e-3 or len(codes) < 50, "all rows alike show nothing"


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize(
    "config",
    [
        CharCnnConfig(),
        BATCH_NORM,
        NGRAM,
        NgramConfig(buckets=512, word_order=0, min_order=1, max_order=1),
        DIRECT,
        LSTM,
    ],
    ids=str,
)
def test_folded_equals_torch(config: Architecture, name: str) -> None:
    profile = get_profile(name)
    check_equal(*random_model(config, profile), random_codes(profile, 300))


@pytest.mark.parametrize("max_length", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "config", [CHARCNN, BATCH_NORM, NO_NORM, NGRAM, replace(NGRAM, min_order=1, word_order=1), LSTM, STACKED], ids=str
)
def test_folded_equals_torch_at_small_lengths(config: Architecture, max_length: int) -> None:
    profile = get_profile("seed", max_length)
    check_equal(*random_model(config, profile), random_codes(profile, 200))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(st.binary(min_size=7, max_size=7), min_size=1, max_size=30),
    name=st.sampled_from(["seed", "ascii"]),
    config=st.sampled_from(
        [
            *(CHARCNN, BATCH_NORM, NO_NORM, LSTM, STACKED),
            *(NGRAM, replace(NGRAM, min_order=1, max_order=9), replace(NGRAM, word_order=1)),
        ]
    ),
)
def test_folded_equals_torch_on_any_codes(rows: list[bytes], name: str, config: Architecture) -> None:
    profile = get_profile(name, 7)
    codes = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 7) % np.uint8(profile.num_codes)
    model, weights = random_model(config, profile)
    a, b = (engine.predict(codes) for engine in engines(model, weights))
    np.testing.assert_allclose(a, b, atol=1e-5, rtol=0)


@pytest.mark.parametrize("engine", [0, 1], ids=["folded", "torch"])
@pytest.mark.parametrize("config", [CharCnnConfig(), NGRAM, STACKED], ids=["charcnn", "ngram", "lstm"])
def test_a_row_does_not_depend_on_the_rows_beside_it(config: Architecture, engine: int) -> None:
    profile = get_profile("seed")
    predictor = engines(*random_model(config, profile))[engine]
    codes = random_codes(profile, BATCH_ROWS + 300)
    whole = predictor.predict(codes)
    for start, stop in ((0, 1), (0, 8), (0, 763), (0, BATCH_ROWS), (0, 1100), (BATCH_ROWS, BATCH_ROWS + 300)):
        part = predictor.predict(codes[start:stop])
        assert part.tobytes() == whole[start:stop].tobytes(), f"rows {start} to {stop}"
    others = random_codes(profile, len(codes), seed=1)
    others[::7] = codes[::7]
    assert predictor.predict(others)[::7].tobytes() == whole[::7].tobytes()
    np.testing.assert_allclose(
        predictor.predict(codes[5:]), whole[5:], atol=1e-5, rtol=0
    )  # At another place of the batch.


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    chosen=st.lists(st.integers(0, 299), min_size=1, max_size=200),
    name=st.sampled_from(["seed", "ascii"]),
    config=st.sampled_from([CHARCNN, BATCH_NORM, NGRAM, LSTM, STACKED]),
    threads=st.integers(1, 3),
)
def test_a_row_has_the_same_bits_wherever_it_stands(
    chosen: list[int], name: str, config: Architecture, threads: int
) -> None:
    """Of the folded engine, which uses no library's matrix product."""
    profile = get_profile(name)
    model, weights = random_model(config, profile)
    codes = random_codes(profile, 300)
    whole = FoldedPredictor(model, weights, num_threads=1).predict(codes)
    some = FoldedPredictor(model, weights, num_threads=threads, least_task_rows=7).predict(codes[chosen])
    assert some.tobytes() == whole[chosen].tobytes()


@pytest.mark.parametrize("config", [CharCnnConfig(), NGRAM, LSTM], ids=["charcnn", "ngram", "lstm"])
def test_threads_do_not_change_probabilities(config: Architecture) -> None:
    profile = get_profile("seed")
    model, weights = random_model(config, profile)
    codes = random_codes(profile, 3 * BATCH_ROWS + 1)
    one, two = (FoldedPredictor(model, weights, num_threads=threads).predict(codes) for threads in (1, 2))
    assert one.tobytes() == two.tobytes()


@EVERY
def test_codes_may_be_read_only_and_every_second_row(config: Architecture) -> None:
    profile = get_profile("seed")
    predictor = FoldedPredictor(*random_model(config, profile), num_threads=1)
    codes = random_codes(profile, 60)
    whole = predictor.predict(codes)
    codes.flags.writeable = False
    assert predictor.predict(codes[::2]).tobytes() == whole[::2].tobytes()
    fresh = random_codes(profile, 60)
    predictor.predict(fresh)
    assert fresh.flags.writeable, "the caller's array is the caller's"


@EVERY
def test_codes_of_another_profile_are_refused(config: Architecture) -> None:
    """The kernels read tables at codes without asking."""
    predictor = FoldedPredictor(*random_model(config, get_profile("seed")), num_threads=1)
    codes = random_codes(get_profile("seed"), 60)
    codes[33, 2] = 28
    with pytest.raises(InputError, match="code 28: expected 0 to 27; encode with profile seed"):
        predictor.predict(codes)
    wrong_codes: list[Any] = [codes[:, :-1], codes[0], codes.astype(np.int64)]
    for wrong in wrong_codes:
        with pytest.raises(InputError, match="expected uint8 rows of 64"):
            predictor.predict(wrong)


@pytest.mark.parametrize("num_classes", [1, 2, 5, 8, 9, 20])
@pytest.mark.parametrize("dim", [5, 16])
def test_any_number_of_classes(num_classes: int, dim: int) -> None:
    """More classes than an embedding has numbers take another way than fewer."""
    profile = get_profile("seed", 20)
    config = replace(NGRAM, dim=dim, buckets=1 << 9)
    model, weights = random_model(config, profile, num_classes=num_classes, temperature=1.3)
    codes = random_codes(profile, 200)
    a, b = (engine.predict(codes) for engine in engines(model, weights))
    np.testing.assert_allclose(a, b, atol=1e-5, rtol=0)


@EVERY
def test_no_rows_give_no_probabilities(config: Architecture) -> None:
    profile = get_profile("seed")
    for engine in engines(*random_model(config, profile)):
        assert engine.predict(np.empty((0, 64), np.uint8)).shape == (0, 4)


@EVERY
def test_both_engines_divide_by_the_temperature(config: Architecture) -> None:
    profile = get_profile("seed")
    codes = random_codes(profile, 100)
    plain = [engine.predict(codes) for engine in engines(*random_model(config, profile))]
    warm = [engine.predict(codes) for engine in engines(*random_model(config, profile, temperature=2.5))]
    for before, after in zip(plain, warm, strict=True):
        expected = before.astype(np.float64) ** (1 / 2.5)
        np.testing.assert_allclose(after, expected / expected.sum(axis=1, keepdims=True), atol=1e-4)
        assert after.max(axis=1).mean() < before.max(axis=1).mean() - 0.01


@pytest.mark.parametrize("name", PROFILES)
def test_the_kernel_sums_the_very_ids_that_torch_numbers(name: str) -> None:
    """With a table that is 1 in one bucket of each row, the sums count every id."""
    profile = get_profile(name, 24)
    config = NgramConfig(buckets=64, word_weight=3.0)
    model, weights = random_model(config, profile, num_classes=64)
    table = np.zeros((65, 64), np.float32)
    table[:64] = np.eye(64)
    weights = {"bag.weight": table, "linear.bias": np.zeros(64, np.float32)}
    codes = random_codes(profile, 200)
    ngrams, words = (
        np.stack([np.bincount(row, minlength=65)[:64] for row in ids.numpy()])
        for ids in Ngram(config, profile, 64).ngram_ids(torch.from_numpy(codes))
    )
    assert (ngrams.sum(axis=1) > 0).sum() > 150 < (words.sum(axis=1) > 0).sum()
    norm = np.sqrt(np.maximum(ngrams.sum(axis=1, keepdims=True) + 9 * words.sum(axis=1, keepdims=True), 1))
    logits = np.log(FoldedPredictor(model, weights, num_threads=1).predict(codes))
    expected = ngrams + 3 * words
    np.testing.assert_allclose((logits - logits[:, :1]) * norm, expected - expected[:, :1], atol=2e-3)
    frequencies, num_rows = document_frequencies(config, profile, [codes[:50], codes[50:]])
    assert num_rows == 200
    np.testing.assert_array_equal(frequencies, ((ngrams + words) > 0).sum(axis=0))
