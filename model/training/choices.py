"""The choices of a training: the values of each, their options, and what each recipe chooses. Plain data; imports nothing heavy.

They stand apart from `recipe.py`, which checks them, so that `--help` can name the values without numpy.
"""

from typing import Any, Literal

Optimizer = Literal["sgd", "adagrad", "rmsprop", "adam", "adamw"]
Schedule = Literal["constant", "step", "multi-step", "exponential", "cosine", "one-cycle"]
Init = Literal["default", "xavier-uniform", "xavier-normal", "kaiming-uniform", "kaiming-normal"]
ClassWeights = Literal["none", "balanced"]
BestBy = Literal["loss", "accuracy"]
Recipe = Literal["default", "seed"]
Precision = Literal["float32", "bfloat16"]

_ADAM: dict[str, Any] = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "amsgrad": False}

OPTIMIZER_OPTIONS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.9, "nesterov": False},
    "adagrad": {"eps": 1e-10},
    "rmsprop": {"momentum": 0.0, "rmsprop_alpha": 0.99, "eps": 1e-8},
    "adam": _ADAM,
    "adamw": _ADAM,
}
"""The options of each optimiser beside learning rate and weight decay, with torch's defaults, except for sgd's momentum."""

SCHEDULE_OPTIONS: dict[str, dict[str, Any]] = {
    "constant": {"warm_up": 0.0},
    "step": {"warm_up": 0.0, "step_epochs": None, "gamma": 0.1},
    "multi-step": {"warm_up": 0.0, "milestones": None, "gamma": 0.1},
    "exponential": {"warm_up": 0.0, "gamma": 0.9},
    "cosine": {"warm_up": 0.0},
    "one-cycle": {},
}
"""The options of each schedule with their defaults; None where the default depends on the number of epochs."""

COMMON: dict[str, Any] = {
    "seed": 0,
    "weight_decay": 0.0,
    "clip_norm": 0.0,
    "init": "default",
    "label_smoothing": 0.0,
    "class_weights": "none",
    "patience": 0,
    "precision": "float32",
    "compile": False,
}
"""What both recipes choose."""

RECIPES: dict[str, dict[str, Any]] = {
    "default": {
        "arch": "ngram",
        "batch_size": 256,
        "optimizer": "adamw",
        "schedule": "cosine",
        "shuffle": True,
        "limit_batches": 0,
    },
    "seed": {
        "arch": "charcnn",
        "epochs": 99,
        "batch_size": 128,
        "lr": 1e-4,
        "optimizer": "adam",
        "schedule": "constant",
        "shuffle": False,
    },
}
"""What each recipe chooses beside `COMMON`; `recipe.resolve` adds what depends on the data. Options of an optimiser or a schedule may
stand here too; they count while that one is chosen."""

DEFAULT_BEST_BY: BestBy = "accuracy"
"""What makes an epoch the best one unless a flag says so. A network that becomes overconfident raises the loss while its accuracy still
rises, and a temperature can mend the confidence: on 20,000 AG News titles, charcnn's lowest loss came two epochs before an accuracy that
was 2.5 points higher."""


def step_epochs_for(epochs: int) -> int:
    """The default of `step_epochs`: a third of the epochs."""
    return max(1, epochs // 3)


def milestones_for(epochs: int) -> tuple[int, ...]:
    """The default of `milestones`: half and three quarters of the epochs, about as in He et al., "Deep Residual Learning", 2015."""
    return tuple(sorted({epochs // 2, epochs * 3 // 4} - {0}))


def users_of(option: str) -> tuple[str, ...]:
    """The optimisers or schedules that have an option."""
    return tuple(
        name
        for choices in (OPTIMIZER_OPTIONS, SCHEDULE_OPTIONS)
        for name, options in choices.items()
        if option in options
    )


def values_of(name: str, **own: str) -> str:
    """The default of a field in words, for `--help`: `256 (recipe seed: 128)`, or by optimiser or schedule `sgd 0.9, rmsprop 0`.

    Args:
        name: The field.
        own: Words for the value of a recipe that makes it from the data.
    """
    recipes = {recipe: {**COMMON, **chosen} for recipe, chosen in RECIPES.items()}
    if any(name in chosen for chosen in recipes.values()):
        words = {
            recipe: own.get(recipe) or _word(chosen.get(name, "from the data")) for recipe, chosen in recipes.items()
        }
        default = words.pop("default")
        return " ".join([default, *(f"(recipe {recipe}: {word})" for recipe, word in words.items() if word != default)])
    return _listed(
        {
            choice: options[name]
            for choices in (OPTIMIZER_OPTIONS, SCHEDULE_OPTIONS)
            for choice, options in choices.items()
            if options.get(name) is not None
        }
    )


def _listed(values: dict[str, Any]) -> str:
    """Values by name; a single word where all are the same."""
    words = {_word(value) for value in values.values()}
    if len(words) == 1 < len(values):
        return words.pop()
    return ", ".join(f"{name} {_word(value)}" for name, value in values.items())


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
