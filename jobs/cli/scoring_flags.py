"""The scoring flags that score and drops share, and what they mean to the scorer."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter, convert

from jobs.cli.help import INPUT, OUTPUT, RARE
from jobs.cli.reading_flags import ReadingConfig
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from model.architectures.trained import Model
    from model.engines.predictor import Predictor
    from model.scoring.columns import ScoreOptions


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """What computes."""

    engine: Annotated[Literal["auto", "folded", "torch"], RARE] = "auto"
    "folded needs no torch and runs on the CPU; torch runs the network itself; auto is torch where there is a GPU for it, else folded."
    device: Annotated[Literal["auto", "cpu", "cuda"], RARE] = "auto"
    "Where the torch engine runs."

    def __post_init__(self) -> None:
        if self.engine == "folded" and self.device == "cuda":
            raise UsageError("--device cuda goes with --engine torch; the folded engine runs on the CPU")


def _or_switch(kind: Any, tokens: Sequence[Any]) -> Any:
    """Convert as cyclopts does, but for true and false in a variable or a config file, which turn a list on and off."""
    switch = dict.fromkeys(("true", "yes", "1"), "list") | dict.fromkeys(("false", "no", "0", ""), "none")
    return convert(kind, [token.evolve(value=switch.get(token.value.lower(), token.value)) for token in tokens])


@Parameter(name="*")
@OUTPUT
@dataclass(frozen=True, kw_only=True)
class ScoringConfig(EngineConfig):
    """What scores contain, and what computes them."""

    label: Annotated[str, INPUT, Parameter(alias="-l", metavar="COLUMN")] = ""
    "The column of the true class, where there is one: it is kept as label, and score prints the accuracy."
    keep: Annotated[str, Parameter(alias="-k", metavar="NAMES")] = ""
    "Columns to pass through, with commas between; all for every column."
    probabilities: Annotated[
        Literal["none", "list", "columns"],
        Parameter(metavar="[list|columns]", show_choices=False, show_default=False, converter=_or_switch),
    ] = "none"
    "Add the probabilities of all classes: a list, or columns p_CLASS."
    min_confidence: Annotated[float | None, Parameter(metavar="SHARE")] = None
    "Add a column abstained, true where the confidence is below this."

    def options(self, reading: ReadingConfig) -> "ScoreOptions":
        """What the scorer needs to know.

        Raises:
            UsageError: A flag makes no sense.
        """
        from model.scoring.columns import ScoreOptions

        return ScoreOptions(
            wanted=reading.wanted(label=self.label, keep=self.keep),
            probabilities=self.probabilities,
            min_confidence=self.min_confidence,
            max_quarantined=reading.max_quarantined,
        )

    def load(self, run: Path, model: "Model", num_threads: int) -> "Predictor":
        """Load a run's weights into the engine that was asked for.

        Raises:
            CharmillError: The weights are damaged, or the engine is not installed.
        """
        from model.engines.load import load_predictor

        return load_predictor(run, model, engine=self.engine, device=self.device, num_threads=num_threads)

    def fingerprint(self, reading: ReadingConfig) -> str:
        """16 hexadecimal digits that name all flags that change scores."""
        content = json.dumps({**asdict(self), **asdict(reading)}, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]
