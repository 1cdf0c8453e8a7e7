"""Help says what a recipe does."""

import re
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
        assert re.search(rf"(Both recipes:|{recipe}) {re.escape(said)}[.,]", values_of(name)), name
    assert values_of("momentum") == "By default: sgd 0.9, rmsprop 0."
    assert values_of("beta1") == "By default: 0.9."
