"""``python -m jobs.predict``: texts from the command line, or lines from standard input, and what a run says of each."""

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from jobs.cli.command import run_command
from jobs.cli.compiling import says_what_compiles
from jobs.cli.flags import RunFolder, ThreadsConfig, with_hyphen
from jobs.cli.help import INPUT, OUTPUT
from jobs.cli.process import until_unread
from jobs.cli.scoring_flags import EngineConfig
from pipeline.errors import InputError, UsageError

if TYPE_CHECKING:
    import polars as pl

    from model.classifier import Classifier

_TEXT_WIDTH = 60


@Parameter(name="*")
@OUTPUT
@dataclass(frozen=True)
class PredictConfig:
    """Classify texts with a trained run: those given, or else the lines of standard input, a result a line, as they come.

    A blank line has a result as well, without a class. Needs no torch.

    Examples:
        predict "wall st. bears claw back into the black" --run data/ag-run --top 2
        predict --run data/ag-run --format tsv < titles.txt
    """

    text: Annotated[
        tuple[str, ...],
        INPUT,
        Parameter(
            name="TEXT",
            help="The texts; - alone is standard input. Behind -- a text may begin with a hyphen.",
            negative=(),
            converter=with_hyphen,
            show_default="standard input",
        ),
    ] = ()
    _: KW_ONLY
    run: RunFolder
    top: Annotated[int | None, Parameter(metavar="N")] = None
    "Show so many of the most probable classes, with their probabilities."
    format: Annotated[
        Literal["jsonl", "tsv"] | None, Parameter(show_default="jsonl for standard input, a table for TEXT")
    ] = None
    "Print a line for each text: jsonl, or tsv: the text, its class, the confidence, then with --top further classes and probabilities."
    engine: EngineConfig = field(default_factory=EngineConfig)
    common: ThreadsConfig = field(default_factory=ThreadsConfig)

    def __post_init__(self) -> None:
        if self.top is not None and self.top < 1:
            raise UsageError(f"--top {self.top}: expected 1 or more")
        if self.common.json and (self.format or not self.texts):
            what = f"--format {self.format}" if self.format else "standard input, where --format jsonl is the default"
            raise UsageError(f"--json prints one object for all texts; leave it out with {what}")

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts given; none where standard input is to be read."""
        return () if self.text == ("-",) else self.text


@says_what_compiles
def run(config: PredictConfig) -> dict[str, Any] | None:
    """Classify.

    Raises:
        CharmillError: The run cannot be loaded; or some lines were no text, and the others have been answered.
    """
    from model.classifier import Classifier

    started = time.monotonic()
    threads = config.common.num_threads
    classifier = Classifier.load(config.run, engine=config.engine.engine, device=config.engine.device, threads=threads)
    if not config.texts:
        _answer_lines(config, classifier)
        return None
    answers = _answer(classifier, config.texts, config.texts, config.top)
    if config.format:
        with until_unread():
            _write(answers, config)
        return None
    results = [json.loads(line) for line in _jsonl(answers, config.top).removesuffix("\n").split("\n")]
    rows_out = sum(result["prediction"] is not None for result in results)
    return {
        "rows_in": len(results),
        "rows_out": rows_out,
        "rows_quarantined": len(results) - rows_out,
        "results": results,
        "engine": classifier.engine,
        "model": classifier.fingerprint,
        "seconds": round(time.monotonic() - started, 3),
    }


def _answer_lines(config: PredictConfig, classifier: "Classifier") -> None:
    """Write a result for each line of standard input as soon as it has come."""
    from jobs.cli.console import make_log
    from pipeline.formats.lines import read_lines
    from pipeline.records.law import describe_reasons
    from pipeline.records.quarantine import BLANK_TEXT, INVALID_ENCODING
    from pipeline.storage.source import open_stdin

    log, stdin = make_log(config.common.log), open_stdin()
    if stdin.isatty():
        log.info("type a line to have it classified; Ctrl-D ends")
    num_lines, first_damaged, reasons = 0, 0, Counter[str]()
    with until_unread():
        for block in read_lines(stdin.read):
            usable = [None if index in block.unusable else text for index, text in enumerate(block.texts)]
            answers = _answer(classifier, usable, block.texts, config.top)
            _write(answers, config)
            first_damaged = first_damaged or next((num_lines + index + 1 for index in block.unusable), 0)
            reasons.update(block.unusable.values())
            reasons[BLANK_TEXT] += answers["prediction"].null_count() - len(block.unusable)
            num_lines += len(block.texts)
        if first_damaged:
            hint = "convert the text to UTF-8, as with iconv -f cp1252 -t utf-8"
            raise InputError(
                f"standard input: {reasons.total():,} of {num_lines:,} lines have no class ({describe_reasons(+reasons)}), "
                f"the first damaged one is line {first_damaged:,}; {hint if INVALID_ENCODING in reasons else 'cut such lines'}"
            )
        if reasons[BLANK_TEXT]:
            log.info("predict", lines=num_lines, blank=reasons[BLANK_TEXT])


def _answer(
    classifier: "Classifier", texts: Sequence[str | None], shown: Sequence[str], top: int | None
) -> "pl.DataFrame":
    """The columns text, prediction and confidence, and the same of the classes behind the first, as prediction_2 and so on."""
    import numpy as np
    import polars as pl

    probabilities_NK = classifier.predict_proba(texts)
    names = pl.Series([*classifier.labels, None], dtype=pl.String)
    is_blank_N = np.isnan(probabilities_NK[:, 0])
    ranked_NK = (-probabilities_NK).argsort(axis=1, kind="stable")[:, : top or 1]
    columns = [pl.Series("text", shown, pl.String)]
    for rank, best_N in enumerate(ranked_NK.T, 1):
        end = f"_{rank}" if rank > 1 else ""
        best = names.gather(np.where(is_blank_N, len(names) - 1, best_N)).alias(f"prediction{end}")
        columns += [best, pl.Series(f"confidence{end}", probabilities_NK[np.arange(len(best_N)), best_N])]
    return pl.DataFrame(columns).fill_nan(None)


def _write(answers: "pl.DataFrame", config: PredictConfig) -> None:
    text = _tsv(answers) if config.format == "tsv" else _jsonl(answers, config.top)
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def _jsonl(answers: "pl.DataFrame", top: int | None) -> str:
    import polars as pl

    columns = [pl.col("text", "prediction", "confidence")]
    if top is not None:
        pairs = zip(answers.columns[1::2], answers.columns[2::2], strict=True)
        ranked = pl.concat_list(
            pl.struct(pl.col(label).alias("label"), pl.col(number).alias("probability")) for label, number in pairs
        )
        columns.append(pl.when(pl.col("prediction").is_not_null()).then(ranked).alias("top"))
    return answers.select(columns).write_ndjson()


def _tsv(answers: "pl.DataFrame") -> str:
    """Lines of fields with tabs between; a tab or an end of a line within a field is a backslash and a letter, a backslash two."""
    import polars as pl

    escaped = pl.col(pl.String).str.replace_many(["\\", "\t", "\n", "\r"], ["\\\\", "\\t", "\\n", "\\r"])
    return answers.with_columns(escaped).write_csv(separator="\t", include_header=False, quote_style="never")


def render(report: dict[str, Any]) -> str:
    """The results as a table, a line for each class that is shown."""
    from jobs.cli.console import columns, one_line

    lines = []
    for result in report["results"]:
        best = {"label": result["prediction"], "probability": result["confidence"]}
        text = one_line(result["text"])
        for rank, each in enumerate(result.get("top") or [best]):
            lines.append(
                {
                    "text": "" if rank else text if len(text) <= _TEXT_WIDTH else f"{text[: _TEXT_WIDTH - 1]}…",
                    "class": one_line(each["label"] or "-"),
                    "confidence": "-" if each["probability"] is None else f"{each['probability']:.2%}",
                }
            )
    return columns(lines)


def main() -> None:
    """Run the command."""
    run_command("predict", PredictConfig, run, render, reads=True)


if __name__ == "__main__":
    main()
