"""Sizes that make no sense are refused, and what is stored of them stays as it was."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from model.architectures.base import config_to_json
from model.architectures.charcnn.config import CharCnnConfig
from model.architectures.lstm.config import LstmConfig
from model.architectures.ngram.config import NgramConfig
from model.architectures.registry import config_from_json
from pipeline.errors import UsageError


def test_what_came_later_is_not_said_where_it_changes_nothing() -> None:
    """So the fingerprint of a model that was trained before stays, and with it what the ledger of drops says was scored."""
    old = {"name": "charcnn", "channels_1": 32, "channels_2": 28, "hidden": 64}
    assert config_from_json(old) == CharCnnConfig()
    assert config_to_json(CharCnnConfig()) == old
    assert config_to_json(CharCnnConfig(norm="none")) == {**old, "norm": "none"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: CharCnnConfig(hidden=0),
        lambda: replace(NgramConfig(), min_order=5, max_order=4),
        lambda: NgramConfig(word_order=3),
        lambda: NgramConfig(word_weight=0.0),
        lambda: NgramConfig(buckets=-1),
        lambda: NgramConfig(dropout=1.0),
        lambda: CharCnnConfig(dropout=-0.1),
        lambda: CharCnnConfig(norm="group"),
        lambda: LstmConfig(layers=0),
        lambda: LstmConfig(dropout=1.0),
    ],
)
def test_sizes_that_make_no_sense_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(UsageError, match=r"hidden|min_order|word_order|word_weight|buckets|dropout|norm|layers"):
        make()
