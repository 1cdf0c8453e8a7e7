"""Recipes: what the flags leave open, and what is refused."""

from dataclasses import asdict
from typing import Any

import pytest

from model.recipe import require_same_config, resolve
from pipeline.errors import InputError, MismatchError, UsageError


def test_recipe_seed_is_the_article() -> None:
    config = resolve("seed", {}, num_train=108_000, num_valid=12_000)
    assert asdict(config) == {
        "recipe": "seed",
        "arch": "charcnn",
        "epochs": 99,
        "batch_size": 128,
        "lr": 1e-4,
        "optimizer": "adam",
        "weight_decay": 0.0,
        "schedule": "constant",
        "shuffle": False,
        "limit_batches": 93,
        "seed": 0,
        "precision": "float32",
        "compile": False,
        "dropout": None,
        "norm": None,
    }


@pytest.mark.parametrize(("num_valid", "limit"), [(1, 1), (127, 1), (128, 1), (256, 2), (5208, 40), (12_000, 93)])
def test_recipe_seed_stops_after_as_many_batches_as_the_held_out_rows_fill(num_valid: int, limit: int) -> None:
    assert resolve("seed", {}, num_train=10**6, num_valid=num_valid).limit_batches == limit
    assert resolve("seed", {"limit_batches": 7}, num_train=10**6, num_valid=num_valid).limit_batches == 7


@pytest.mark.parametrize("recipe", ["seed", "default"])
def test_flags_win(recipe: str) -> None:
    flags = {
        "arch": "charcnn",
        "epochs": 2,
        "lr": 0.5,
        "optimizer": "sgd",
        "shuffle": True,
        "limit_batches": 0,
        "seed": 4,
    }
    config = resolve(recipe, flags, num_train=100, num_valid=10)
    assert {name: getattr(config, name) for name in flags} == flags


def test_the_default_repeats_small_data_and_not_large() -> None:
    small, large = (resolve("default", {}, num_train=rows, num_valid=9) for rows in (500, 10**7))
    assert 1 < large.epochs < 10 < small.epochs
    assert resolve("default", {"batch_size": 1}, num_train=500, num_valid=9).epochs < small.epochs
    assert small.shuffle
    assert small.limit_batches == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"arch": "chrcnn"}, r"--arch 'chrcnn'.*did you mean charcnn\?"),
        ({"optimizer": "adan"}, r"--optimizer.*did you mean adam"),
        ({"schedule": "wavy"}, r"--schedule 'wavy': expected one of constant, cosine, one-cycle"),
        ({"precision": "bfloat61"}, r"--precision 'bfloat61'.*did you mean bfloat16\?"),
        ({"epochs": 0}, "--epochs 0: expected 1 or more"),
        ({"batch_size": 0}, "--batch-size 0: expected 1 or more"),
        ({"limit_batches": -1}, "--limit-batches -1: expected 0 or more"),
        ({"seed": -1}, "--seed -1: expected 0 or more"),
        ({"lr": 0.0}, "--lr"),
        ({"lr": float("nan")}, "--lr nan"),
        ({"lr": float("inf")}, "--lr inf"),
        ({"weight_decay": float("nan")}, "--weight-decay nan"),
        ({"seed": 1 << 64}, "--seed"),
        ({"arch": "lstm", "norm": "layer"}, "--norm layer: --arch lstm has none"),
        ({"arch": "charcnn", "norm": "group"}, "norm 'group': expected one of batch, layer, none"),
        ({"dropout": 1.0}, "ngram: dropout 1.0: expected 0 or more and below 1"),
        ({"arch": "lstm", "compile": True}, "--compile: .*--arch lstm"),
    ],
)
def test_values_that_make_no_sense_are_refused(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve("default", flags, num_train=100, num_valid=10)


@pytest.mark.parametrize(("num_train", "num_valid"), [(0, 5), (5, 0)])
def test_both_sides_must_have_rows(num_train: int, num_valid: int) -> None:
    with pytest.raises(InputError, match="--valid-fraction"):
        resolve("default", {}, num_train=num_train, num_valid=num_valid)


def test_another_configuration_is_refused_field_by_field() -> None:
    config = resolve("default", {"lr": 0.5, "seed": 1}, num_train=100, num_valid=10)
    require_same_config(asdict(config), config)
    with pytest.raises(MismatchError) as caught:
        require_same_config(asdict(config) | {"lr": 0.25, "seed": 2}, config)
    assert "lr was 0.25 and is now 0.5, seed was 2 and is now 1;" in str(caught.value)
    stored = asdict(config)
    del stored["shuffle"]
    with pytest.raises(MismatchError, match="shuffle was None"):
        require_same_config(stored, config)
