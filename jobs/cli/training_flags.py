"""The flags of a training that belong together, each a group of `--help-all`.

None is what the recipe says. What a choice has no use for is refused when the flags meet the recipe, in `model/training/recipe.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from jobs.cli.help import OPTIMISER, REGULARISATION, SCHEDULE
from model.training.choices import DEFAULT_BEST_BY, BestBy, ClassWeights, Optimizer, Schedule, users_of, values_of


def recipe_flag(name: str, text: str, **own: str) -> Parameter:
    """Help that begins with whose flag it is and ends in what each recipe says; `own` has words for what a recipe makes of the data."""
    users = users_of(name)
    said = f"{', '.join(users)}: {text}" if users else text
    return Parameter(help=said, show_default=values_of(name, **own))


def _numbers(_type: Any, tokens: Sequence[Any]) -> tuple[int, ...]:
    # An empty list in a config file comes as an empty word.
    words = [word.strip() for token in tokens if token.value for word in token.value.split(",")]
    if not all(word.isdecimal() for word in words):
        raise ValueError(f"expected whole numbers with commas between, got {','.join(words)}")
    return tuple(map(int, words))


@Parameter(name="*")
@OPTIMISER
@dataclass(frozen=True, kw_only=True)
class OptimizerFlags:
    """How a gradient moves the weights."""

    optimizer: Annotated[Optimizer | None, recipe_flag("optimizer", "What moves the weights.")] = None
    momentum: Annotated[float | None, recipe_flag("momentum", "Share of the last step that is taken again.")] = None
    nesterov: Annotated[
        bool | None, recipe_flag("nesterov", "Take the gradient where the momentum leads, after Nesterov.")
    ] = None
    rmsprop_alpha: Annotated[
        float | None, recipe_flag("rmsprop_alpha", "Share of the old in the mean of squared gradients.")
    ] = None
    beta1: Annotated[float | None, recipe_flag("beta1", "Share of the old in the mean of gradients.")] = None
    beta2: Annotated[float | None, recipe_flag("beta2", "Share of the old in the mean of squared gradients.")] = None
    eps: Annotated[float | None, recipe_flag("eps", "Added to the root of squared gradients.")] = None
    amsgrad: Annotated[bool | None, recipe_flag("amsgrad", "Divide by the largest mean of squares so far.")] = None
    weight_decay: Annotated[
        float | None,
        recipe_flag(
            "weight_decay", "Draws weights to zero; with adamw by itself, with the others by way of the gradient."
        ),
    ] = None
    clip_norm: Annotated[
        float | None, recipe_flag("clip_norm", "Cut the norm of all gradients together to this; 0 for no limit.")
    ] = None


@Parameter(name="*")
@SCHEDULE
@dataclass(frozen=True, kw_only=True)
class ScheduleFlags:
    """How the learning rate goes over the training."""

    schedule: Annotated[
        Schedule | None, recipe_flag("schedule", "How the learning rate goes over the whole training.")
    ] = None
    warm_up: Annotated[
        float | None, recipe_flag("warm_up", "Share of all steps in which the learning rate rises to its peak.")
    ] = None
    step_epochs: Annotated[
        int | None,
        recipe_flag("step_epochs", "Epochs between two changes."),
        Parameter(show_default="a third of --epochs"),
    ] = None
    milestones: Annotated[
        tuple[int, ...] | None,
        recipe_flag("milestones", "Epochs done at each change, as 5,8."),
        Parameter(converter=_numbers, negative=(), metavar="N,N", show_default="half and three quarters of --epochs"),
    ] = None
    gamma: Annotated[
        float | None,
        recipe_flag("gamma", "What a change multiplies the learning rate with; exponential changes every epoch."),
    ] = None


@Parameter(name="*")
@REGULARISATION
@dataclass(frozen=True, kw_only=True)
class RegularisationFlags:
    """What the training loss counts, and which epoch's weights are kept."""

    dropout: Annotated[
        float | None,
        Parameter(
            help="Share left out in training, of features (charcnn, lstm) or n-grams (ngram).",
            show_default="the architecture's own",
        ),
    ] = None
    norm: Annotated[
        Literal["batch", "layer", "none"] | None,
        Parameter(help="What follows charcnn's convolutions; layer is the article's.", show_default="layer"),
    ] = None
    label_smoothing: Annotated[
        float | None, recipe_flag("label_smoothing", "Share of each target that goes to all classes alike.")
    ] = None
    class_weights: Annotated[
        ClassWeights | None,
        recipe_flag("class_weights", "balanced lets each class count as much as any other in the training loss."),
    ] = None
    patience: Annotated[
        int | None,
        recipe_flag("patience", "Stop after so many epochs without a better one, and keep the best; 0 for never."),
    ] = None
    keep_best: Annotated[
        bool | None,
        Parameter(help="Keep the weights of the best epoch, not of the last.", show_default="with --patience"),
    ] = None
    best_by: Annotated[
        BestBy | None,
        Parameter(help="What makes an epoch the best one, on the held-out rows.", show_default=DEFAULT_BEST_BY),
    ] = None
