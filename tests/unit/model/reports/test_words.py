"""Text and figures as reports write them."""

import numpy as np
import pytest

from model.reports.words import shorten, threshold, visible
from tests.records import NASTY
from tests.unit.model.reports.pages import STEERING


@pytest.mark.parametrize("text", NASTY)
def test_nothing_in_a_text_steers(text: str) -> None:
    shown = visible(text)
    assert not STEERING.search(shown)
    assert shown.encode()
    assert visible(shown) == shown
    for most in (5, 30):
        assert len(shorten(text, most)) <= most


def test_what_is_visible_already_stays_as_it_is() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467 na\u00efve e\u0301 \u05e9\u05dc\u05d5\u05dd"
    assert visible(family) == family
    assert visible("a\tb\u202e") == "a\u2409b\u27e8U+202E\u27e9"


def test_a_threshold_is_given_to_the_last_bit_of_a_float32() -> None:
    for value in np.random.default_rng(0).random(200, dtype=np.float32):
        assert np.float32(threshold(float(value))) == value
