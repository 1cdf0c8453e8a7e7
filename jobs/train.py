"""``python -m jobs.train``: a dataset in, a run out."""

import time
from dataclasses import KW_ONLY, dataclass, field, fields
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from jobs.cli.command import run_command
from jobs.cli.compiling import says_what_compiles
from jobs.cli.flags import CommonConfig
from jobs.cli.help import INPUT, OUTPUT, RARE, RUNNING, TRAINING
from jobs.cli.training_flags import OptimizerFlags, RegularisationFlags, ScheduleFlags, recipe_flag
from jobs.train_report import make_report, render, say_layers
from model.architectures.registry import CONFIGS
from model.training.choices import Init, Precision, Recipe, values_of
from pipeline.errors import MissingError

if TYPE_CHECKING:
    from model.training.run import TrainOptions

_RATES = ", ".join(f"{name} {config.lr:g}" for name, config in CONFIGS.items())
_ARCHITECTURES = "\n".join(["The network:", *(f"{name}: {config.summary}" for name, config in CONFIGS.items()), ""])


@Parameter(name="*")
@TRAINING
@dataclass(frozen=True)
class TrainJobConfig:
    """Train a classifier on a dataset and measure it on the held-out rows.

    Flags that are not given have the values of --recipe. A training that was killed goes on with --resume.

    Examples:
        train data/ag --out data/ag-run
        train data/ag --recipe seed --out data/ag-seed
    """

    dataset: Annotated[Path, INPUT, Parameter(name="DATASET", help="The dataset: the folder that encode wrote.")]
    _: KW_ONLY
    out: Annotated[Path, OUTPUT, Parameter(alias="-o", metavar="RUN")]
    "The run's folder: weights, measurements and report.html."
    recipe: Recipe = "default"
    "default is the one we recommend; seed repeats the article that charmill grew out of."
    arch: Annotated[str | None, Parameter(help=_ARCHITECTURES, metavar="NAME", show_default=values_of("arch"))] = None
    epochs: Annotated[
        int | None, recipe_flag("epochs", "Passes over the training rows.", default="from the number of rows")
    ] = None
    batch_size: Annotated[int | None, recipe_flag("batch_size", "Rows a step.")] = None
    lr: Annotated[float | None, recipe_flag("lr", "Learning rate, the peak of the schedule.", default=_RATES)] = None
    seed: Annotated[int | None, recipe_flag("seed", "Seed of the first weights, of dropout and of the order.")] = None
    baseline: Literal["tfidf", "none"] = "tfidf"
    "What to compare the network with on the held-out rows: TF-IDF of words with logistic regression, on at most 200,000 training rows."
    init: Annotated[
        Init | None,
        RARE,
        recipe_flag("init", "First weights of all layers but embeddings; default is the architecture's own."),
    ] = None
    shuffle: Annotated[bool | None, RARE, recipe_flag("shuffle", "Shuffle the rows of each epoch.")] = None
    limit_batches: Annotated[
        int | None,
        RARE,
        recipe_flag("limit_batches", "End each epoch after so many batches; 0 for all.", seed="from the held-out rows"),
    ] = None
    precision: Annotated[Precision, RARE] = "float32"
    "Number format of the network's products; all else stays float32. On a CPU without bfloat16, charcnn took several times as long."
    compile: Annotated[bool, RARE] = False
    "Train through torch.compile, which needs a C++ compiler. On 2 cores it made charcnn's steps a little shorter, ngram's not."
    device: Annotated[Literal["auto", "cpu", "cuda"], RUNNING] = "auto"
    "Where to train; auto takes CUDA if there is a device."
    num_workers: Annotated[int, RARE] = 0
    "Processes that read batches; 0 reads ahead in a thread of the main one, which is enough for shards on a local disk."
    checkpoint_seconds: Annotated[float, RARE] = 60.0
    "Seconds between checkpoints; one is also written after each epoch."
    resume: Annotated[bool, OUTPUT] = False
    "Go on from the last checkpoint in --out; start if there is none."
    optimizing: OptimizerFlags = field(default_factory=OptimizerFlags)
    scheduling: ScheduleFlags = field(default_factory=ScheduleFlags)
    regularising: RegularisationFlags = field(default_factory=RegularisationFlags)
    common: CommonConfig = field(default_factory=CommonConfig)

    def choices(self) -> dict[str, Any]:
        """The flags that take the place of the recipe's values, by name; `resolve` refuses any that is not a field of `TrainConfig`."""
        groups = (self, self.optimizing, self.scheduling, self.regularising)
        given = {each.name: getattr(group, each.name) for group in groups for each in fields(group)}
        return {name: value for name, value in given.items() if value is not None and name not in _NO_CHOICES}

    def options(self) -> "TrainOptions":
        """Where the training happens, and what it may cost.

        Raises:
            UsageError: A flag makes no sense.
        """
        from model.training.run import TrainOptions

        return TrainOptions(
            out=self.out,
            baseline=self.baseline,
            device=self.device,
            num_workers=self.num_workers,
            checkpoint_seconds=self.checkpoint_seconds,
            resume=self.resume,
            overwrite=self.common.overwrite,
            threads=self.common.threads,
        )


_NO_CHOICES = frozenset(
    {"dataset", "_", "out", "recipe", "baseline", "device", "num_workers", "checkpoint_seconds", "resume"}
    | {"optimizing", "scheduling", "regularising", "common"}
)
"""Fields that do not change the weights or are not flags themselves; any other must be a field of `TrainConfig`."""


@says_what_compiles
def run(config: TrainJobConfig) -> dict[str, Any]:
    """Train a run, and report.

    Raises:
        CharmillError: No model was published; there may be a checkpoint to go on from.
    """
    _require_packages(config.baseline)
    from jobs.cli.console import metered
    from model.training.run import train

    started = time.monotonic()
    run = train(
        config.dataset,
        config.options(),
        config.choices(),
        recipe=config.recipe,
        meters=partial(metered, config.common.log),
        say_layers=partial(say_layers, form=config.common.log),
    )
    return make_report(run) | {
        "resumed": run.resumed,
        "seconds": round(time.monotonic() - started, 3),
        "outputs": [str(output) for output in run.outputs],
    }


def _require_packages(baseline: str) -> None:
    missing = [name for name in ("torch", "einops", "jinja2", "matplotlib", "scipy") if find_spec(name) is None]
    if missing:
        raise MissingError(
            f"training needs {', '.join(missing)}: pip install '.[train]' in charmill's checkout; encoding and scoring do without"
        )
    if baseline == "tfidf" and find_spec("sklearn") is None:
        raise MissingError("the baseline needs scikit-learn: pip install scikit-learn, or train with --baseline none")


def main() -> None:
    """Run the command."""
    run_command("train", TrainJobConfig, run, render)


if __name__ == "__main__":
    main()
