"""Recipes: what the flags leave open, and what is refused."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from model.training.recipe import require_same_config, resolve
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
        "momentum": None,
        "nesterov": None,
        "rmsprop_alpha": None,
        "beta1": 0.9,
        "beta2": 0.999,
        "eps": 1e-8,
        "amsgrad": False,
        "weight_decay": 0.0,
        "clip_norm": 0.0,
        "schedule": "constant",
        "warm_up": 0.0,
        "step_epochs": None,
        "milestones": None,
        "gamma": None,
        "init": "default",
        "label_smoothing": 0.0,
        "class_weights": "none",
        "patience": 0,
        "keep_best": False,
        "best_by": None,
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
        (
            {"schedule": "wavy"},
            r"--schedule 'wavy': expected one of constant, step, multi-step, exponential, cosine, one-cycle",
        ),
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
        ({"dropout": 1.0}, "--dropout 1.0: expected 0 or more and below 1"),
        ({"arch": "lstm", "compile": True}, "--compile: .*--arch lstm"),
        ({"init": "kaiming"}, r"--init 'kaiming'.*did you mean kaiming-"),
        ({"momentum": 0.5}, "--momentum 0.5: --optimizer adamw has no use for it, only sgd, rmsprop; leave out"),
        ({"optimizer": "rmsprop", "nesterov": True}, "--nesterov: --optimizer rmsprop has no use for it, only sgd"),
        ({"optimizer": "sgd", "beta1": 0.9}, "--beta1 0.9: --optimizer sgd has no use"),
        ({"optimizer": "sgd", "momentum": 0.0, "nesterov": True}, "--nesterov: expected a --momentum above 0"),
        ({"optimizer": "sgd", "momentum": 1.0}, "--momentum 1.0: expected 0 or more and below 1"),
        ({"beta2": -0.1}, "--beta2 -0.1: expected 0 or more and below 1"),
        ({"eps": 0.0}, "--eps 0.0: expected more than 0"),
        ({"clip_norm": -1.0}, "--clip-norm -1.0: expected 0 or more"),
        (
            {"schedule": "one-cycle", "warm_up": 0.1},
            "--warm-up 0.1: --schedule one-cycle has no use for it, only constant, step, ",
        ),
        ({"schedule": "cosine", "gamma": 0.5}, "--gamma 0.5: --schedule cosine has no use"),
        ({"schedule": "step", "milestones": (1, 2)}, "--milestones 1,2: --schedule step has no use"),
        ({"schedule": "step", "step_epochs": 0}, "--step-epochs 0: expected 1 or more"),
        ({"schedule": "step", "gamma": 2.0}, "--gamma 2.0: expected more than 0 and at most 1"),
        ({"schedule": "multi-step", "milestones": (3, 2)}, "--milestones 3,2: expected rising numbers"),
        ({"schedule": "multi-step", "milestones": (2, 4), "epochs": 4}, "--milestones 2,4: .* below --epochs 4"),
        ({"label_smoothing": 1.0}, "--label-smoothing 1.0: expected 0 or more and below 1"),
        ({"patience": -1}, "--patience -1: expected 0 or more"),
        ({"patience": 3, "keep_best": False}, "--patience 3: the best epoch is kept then; leave out --no-keep-best"),
        ({"best_by": "accuracy"}, "--best-by accuracy: no epoch is kept; add --keep-best or --patience"),
    ],
)
def test_values_that_make_no_sense_are_refused(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve("default", flags, num_train=100, num_valid=10)


def test_what_is_left_open_is_the_own_of_what_was_chosen() -> None:
    def options(**flags: Any) -> dict[str, Any]:
        config = asdict(resolve("default", {"epochs": 9, "schedule": "one-cycle"} | flags, num_train=100, num_valid=10))
        names = (
            "momentum",
            "nesterov",
            "rmsprop_alpha",
            "beta1",
            "eps",
            "warm_up",
            "step_epochs",
            "milestones",
            "gamma",
        )
        return {name: config[name] for name in names if config[name] is not None}

    assert options(optimizer="sgd") == {"momentum": 0.9, "nesterov": False}
    assert options(optimizer="rmsprop") == {"momentum": 0.0, "rmsprop_alpha": 0.99, "eps": 1e-8}
    assert options(optimizer="adagrad", eps=0.5) == {"eps": 0.5}
    sgd = options(optimizer="sgd")
    assert options(optimizer="sgd", schedule="step") == sgd | {"warm_up": 0.0, "step_epochs": 3, "gamma": 0.1}
    assert options(optimizer="sgd", schedule="multi-step")["milestones"] == (4, 6)
    assert options(optimizer="sgd", schedule="multi-step", epochs=1)["milestones"] == ()
    assert options(optimizer="sgd", schedule="exponential", warm_up=0.5) == sgd | {"warm_up": 0.5, "gamma": 0.9}


def test_patience_keeps_the_best() -> None:
    def best(**flags: Any) -> tuple[bool, str | None]:
        config = resolve("default", flags, num_train=100, num_valid=10)
        return config.keep_best, config.best_by

    assert best() == (False, None)
    assert best(patience=2) == best(keep_best=True) == (True, "accuracy")
    assert best(patience=2, best_by="loss") == (True, "loss")


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
    steps = resolve("default", {"schedule": "multi-step", "epochs": 4}, num_train=100, num_valid=10)
    require_same_config(json.loads(json.dumps(asdict(steps))), steps)
    stored = asdict(config)
    del stored["shuffle"]
    with pytest.raises(MismatchError, match="shuffle was None"):
        require_same_config(stored, config)
