"""``python -m jobs.demo``, or ``make demo``: the whole way of a row on real titles, with the other jobs' own code."""

import csv
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from jobs import encode, fetch, score, train
from jobs.cli.accuracies import accuracy_text
from jobs.cli.command import run_command
from jobs.cli.flags import CommonConfig
from jobs.cli.help import OUTPUT
from jobs.cli.reading_flags import ReadingConfig
from jobs.cli.scoring_flags import ScoringConfig
from pipeline.errors import InputError, MissingError, TemporaryError, UsageError, from_os_error
from pipeline.storage.publish import require_local
from pipeline.text.synthetic import write_titles

_MARK = ".charmill-demo"
AGNEWS_COLUMNS = "label,title,description"
SAMPLE_ROWS = 2000


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """Encode titles, train on them, score those held out, and say where everything is.

    The titles are AG News from the folder that AGNEWS_DIR names, else from data/agnews, else downloaded, else made up.

    Examples:
        demo
    """

    out: Annotated[Path, OUTPUT, Parameter(alias="-o", metavar="DIR")] = Path("data/demo")
    "Where the dataset, the run and the scores go; what an earlier demo left there is replaced."
    common: CommonConfig = field(default_factory=CommonConfig)


def run(config: DemoConfig) -> dict[str, Any]:
    """Run encode, train and score.

    Raises:
        CharmillError: One of them could not.
    """
    started = time.monotonic()
    common = CommonConfig(threads=config.common.threads, log=config.common.log, overwrite=True)
    _claim(config.out, overwrite=config.common.overwrite)
    titles, what = _find_titles(config.out, common)
    dataset, run_folder, held_out = config.out / "dataset", config.out / "run", config.out / "held_out.csv"
    columns = AGNEWS_COLUMNS if titles.name == "train.csv" else ""
    _say(f"1/3 encode {what}")
    reading = ReadingConfig(text="title", columns=columns)
    encoded = encode.run(encode.EncodeConfig((str(titles),), out=dataset, reading=reading, common=common))
    _say("2/3 train")
    trained = train.run(train.TrainJobConfig(dataset, out=run_folder, common=common))
    _say("3/3 score the held-out titles")
    _write_held_out(dataset, held_out)
    scored = score.run(
        score.ScoreConfig(
            (str(held_out),),
            run=run_folder,
            out=config.out / "scores.parquet",
            scoring=ScoringConfig(label="label", keep="title"),
            reading=ReadingConfig(text="title"),
            common=common,
        )
    )
    return {
        "titles": what,
        **{name: scored[name] for name in ("accuracy", "accuracy_interval", "accuracy_rows", "macro_f1")},
        "rows_in": encoded["rows_in"],
        "rows_out": encoded["rows_out"],
        "rows_quarantined": encoded["rows_quarantined"],
        "rows_scored": scored["rows_out"],
        "encode_rows_per_second": round(encoded["rows_in"] / encoded["seconds"]),
        "score_rows_per_second": round(scored["rows_in"] / scored["seconds"]),
        "train_seconds": trained["seconds"],
        "seconds": round(time.monotonic() - started, 3),
        "report": str(run_folder / "report.html"),
        "outputs": [str(dataset / "manifest.json"), str(run_folder / "model.json"), *scored["outputs"]],
    }


def _claim(out: Path, *, overwrite: bool) -> None:
    """Mark a new folder as the demo's, whose next run may replace what is in it; refuse one with something else in it."""
    require_local(out, remedy="name a folder")
    mark = out / _MARK
    try:
        if out.exists() and not mark.exists() and next(out.iterdir(), None):
            if overwrite:
                return
            raise UsageError(
                f"{out}: it is not an earlier demo's, and there is something in it; name another --out, or add --overwrite to replace "
                "dataset, run, held_out.csv and scores.parquet in it",
                path=out,
            )
        out.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError as error:
        raise from_os_error(error, "write", out) from error


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _find_titles(out: Path, common: CommonConfig) -> tuple[Path, str]:
    """The CSV to use, and what it is; the sample is written into `out`, since an installed charmill has no `data` folder."""
    named = os.environ.get("AGNEWS_DIR", "")
    if named and not (Path(named) / "train.csv").is_file():
        raise UsageError(f"AGNEWS_DIR={named}: there is no train.csv in it")
    for folder in (Path(named) if named else None, Path("data/agnews")):
        if folder and (folder / "train.csv").is_file():
            return folder / "train.csv", f"AG News titles from {folder / 'train.csv'}"
    _say("AGNEWS_DIR is not set and data/agnews is empty: downloading AG News")
    try:
        fetch.run(fetch.FetchConfig("agnews", common=CommonConfig(log=common.log)))
    except (InputError, MissingError, TemporaryError) as error:
        _say(f"no download: {error}")
        write_titles(out / "sample.csv", SAMPLE_ROWS, seed=1)
        return out / "sample.csv", f"{SAMPLE_ROWS:,} made-up titles"
    return Path("data/agnews/train.csv"), "AG News titles, downloaded into data/agnews"


def _write_held_out(dataset: Path, path: Path) -> None:
    """Write the held-out rows of a dataset as a CSV of label and title, like one that a user would have scored."""
    import pyarrow.parquet as pq

    from pipeline.dataset.manifest import VALID, read_manifest
    from pipeline.dataset.shards import open_labels

    manifest = read_manifest(dataset)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("label", "title"))
        for shard in manifest.shards:
            if shard.split == VALID:
                labels = (manifest.labels[index] for index in open_labels(dataset, shard))
                writer.writerows(zip(labels, pq.read_table(dataset / shard.rows)["text"].to_pylist(), strict=True))


def render(report: dict[str, Any]) -> str:
    """The report as text."""
    from jobs.cli.console import table

    return table(
        {
            "titles": report["titles"],
            "accuracy on held-out titles": accuracy_text(report, "accuracy"),
            "macro-F1 on held-out titles": f"{report['macro_f1']:.4f}",
            "encoded": f"{report['rows_in']:,} rows in = {report['rows_out']:,} out + {report['rows_quarantined']:,} quarantined",
            "rows/s encoding": f"{report['encode_rows_per_second']:,} (the first run compiles the kernels)",
            "rows/s scoring": f"{report['score_rows_per_second']:,} (the whole job, model loading and all)",
            "seconds training": report["train_seconds"],
            "seconds in all": report["seconds"],
            "report": report["report"],
            "files": report["outputs"],
        }
    )


def main() -> None:
    """Run the command."""
    run_command("demo", DemoConfig, run, render, reads=True)


if __name__ == "__main__":
    main()
