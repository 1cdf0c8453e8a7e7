"""The report of a training, for people and machines: the network's layers before it begins, its figures when it is done."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from msgspec import convert, to_builtins

from jobs.cli.accuracies import accuracy_fields, accuracy_text
from model.reports.confusion import never_recognised
from model.runs.accuracy import Accuracy, accuracy_of
from model.runs.evaluation import Layer

if TYPE_CHECKING:
    from model.training.run import TrainedRun
    from pipeline.execution.meter import Meter


MANY_CUT = 0.02
"""The share of rows from which on the report says that texts are cut."""


def make_report(run: "TrainedRun") -> dict[str, Any]:
    """The report as values."""
    trained, evaluation = run.trained, run.evaluation
    baseline, seen = evaluation.baseline, evaluation.seen
    line = trained.history[trained.epoch]
    rows_learned, batch_size = line["rows"], run.config.batch_size
    rows_last_batch = (rows_learned - 1) % batch_size + 1
    return {
        **accuracy_fields("valid_accuracy", evaluation.accuracy),
        "valid_macro_f1": evaluation.macro_f1,
        "classes": len(evaluation.labels),
        "classes_never_recognised": never_recognised(evaluation.labels, evaluation.confusion),
        **accuracy_fields("valid_accuracy_unseen", seen.accuracy_without),
        "valid_rows_seen": {"text": seen.rows, "codes": seen.rows_as_codes},
        **(
            accuracy_fields("baseline_accuracy", baseline.accuracy) | {"baseline": to_builtins(baseline)}
            if baseline
            else {}
        ),
        "valid_loss": evaluation.loss_uncalibrated,
        "valid_loss_calibrated": evaluation.loss,
        "temperature": evaluation.temperature,
        "calibration_error": evaluation.calibrated.ece,
        "calibration_error_uncalibrated": evaluation.uncalibrated.ece,
        "targets": to_builtins(evaluation.targets),
        **_measured("train_accuracy", line, rows_learned),
        "train_loss": line["train_loss"],
        **_measured("batch_accuracy", line, rows_last_batch),
        "recipe": run.config.recipe,
        "arch": run.config.arch,
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch + 1,
        "weights_epoch": trained.epoch + 1,
        "max_length": len(evaluation.lengths_train) - 1,
        "share_full_length": evaluation.lengths_train[-1] / max(1, sum(evaluation.lengths_train)),
        "rows_train": evaluation.rows_train,
        "rows_valid": evaluation.rows_valid,
        "warnings": run.warnings,
    }


def _measured(name: str, line: dict[str, Any], num_rows: int) -> dict[str, Any]:
    return accuracy_fields(name, accuracy_of(round(line[name] * num_rows), num_rows))


def render(report: dict[str, Any]) -> str:
    """The report as text."""
    from jobs.cli.console import table
    from pipeline.records.label_names import listed

    seen, baseline, never = report["valid_rows_seen"], report.get("baseline"), report["classes_never_recognised"]
    unseen = accuracy_text(report, "valid_accuracy_unseen")
    return table(
        {
            "accuracy on held-out rows": accuracy_text(report, "valid_accuracy"),
            **({"  without those also in training": unseen} if seen["codes"] and unseen else {}),
            **(
                {"  of the baseline": f"{accuracy_text(report, 'baseline_accuracy')}, {baseline['name']}"}
                if baseline
                else {}
            ),
            "macro-F1 on held-out rows": f"{report['valid_macro_f1']:.4f}",
            **(
                {
                    "  classes never recognised": f"{len(never):,} of {report['classes']:,}: {listed([*map(repr, never)])}"
                }
                if never
                else {}
            ),
            "accuracy on training rows": f"{accuracy_text(report, 'train_accuracy')}, while learning them",
            **(
                {"accuracy on the last batch": f"{accuracy_text(report, 'batch_accuracy')}, what the article prints"}
                if report["recipe"] == "seed"
                else {}
            ),
            "loss on held-out rows": f"{report['valid_loss']:.4f}, {report['valid_loss_calibrated']:.4f} calibrated",
            "loss on training rows": f"{report['train_loss']:.4f}",
            "calibration error": f"{report['calibration_error']:.2%}, {report['calibration_error_uncalibrated']:.2%} before",
            "temperature": f"{report['temperature']:.3f}",
            **{f"for {target['accuracy']:.0%} accuracy": _threshold(target) for target in report["targets"]},
            "recipe": f"{report['recipe']}, {report['arch']}, {report['epochs']} epochs, weights of epoch {report['weights_epoch']}",
            "rows": f"{report['rows_train']:,} to train from, {report['rows_valid']:,} held out",
            **(
                {"  of which also in training": f"{seen['text']:,} by text, {seen['codes']:,} by codes"}
                if seen["codes"]
                else {}
            ),
            **(
                {
                    "  as long as a row of codes": f"{report['share_full_length']:.1%}, most of them cut at {report['max_length']}; "
                    "encode with a larger --max-length"
                }
                if report["share_full_length"] >= MANY_CUT
                else {}
            ),
            "seconds": report["seconds"],
            "files": report["outputs"],
        }
    )


def _threshold(target: dict[str, Any]) -> str:
    from model.measuring.coverage import least_rows

    reached = target["reached"]
    if reached is None:
        return f"no --min-confidence reaches it with {least_rows(target['accuracy']):,} rows or more"
    accuracy = convert(reached["accuracy"], Accuracy)
    return f"--min-confidence {reached['min_confidence']:.7g} keeps {reached['coverage']:.1%} of rows; of those {accuracy} are right"


def say_layers(meter: "Meter", layers: Sequence[Layer], *, form: Literal["text", "json"]) -> None:
    """Show a network's layers beside the progress.

    Args:
        meter: Where to show them.
        layers: At least one.
        form: ``text`` for a table, ``json`` for an object for each layer.
    """
    from jobs.cli.console import columns

    total = Layer(name="total", kind="", shape="", parameters=sum(layer.parameters for layer in layers))
    rows = to_builtins((*layers, total))
    if form == "json":
        for row in rows:
            meter.note("layer", **row)
        return
    for line in columns(rows).splitlines():
        meter.note(f"layer  {line}")
