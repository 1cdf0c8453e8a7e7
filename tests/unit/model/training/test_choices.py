"""Help says what a recipe does."""

from dataclasses import asdict

import pytest

from model.training.choices import COMMON, RECIPES, values_of
from model.training.recipe import resolve


@pytest.mark.parametrize("recipe", ["seed", "default"])
def test_help_says_what_the_recipe_does(recipe: str) -> None:
    config = asdict(resolve(recipe, {}, num_train=10**6, num_valid=10**5))
    for name, value in {**COMMON, **RECIPES[recipe]}.items():
        assert config[name] == value
        said = f"{value:g}" if isinstance(value, float) else str(value).replace("True", "yes").replace("False", "no")
        default, _, seed = values_of(name).partition(" (recipe seed: ")
        assert said == (seed.removesuffix(")") if seed and recipe == "seed" else default), name
    assert values_of("batch_size") == "256 (recipe seed: 128)"
    assert values_of("epochs", default="as many as it takes") == "as many as it takes (recipe seed: 99)"
    assert values_of("momentum") == "sgd 0.9, rmsprop 0"
    assert values_of("beta1") == "0.9"
