"""``python -m jobs.encode``: labelled CSVs in, a dataset out."""

import time
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from jobs.cli.command import run_command
from jobs.cli.compiling import says_what_compiles
from jobs.cli.flags import CommonConfig, CsvPaths
from jobs.cli.help import INPUT, OUTPUT, RARE
from jobs.cli.reading_flags import ReadingConfig

if TYPE_CHECKING:
    from pipeline.building.run import EncodeOptions


_SHOWN = 60
"""Characters of a text in the table."""


def _default(value: str) -> Parameter:
    return Parameter(show_default=f"{value}; with --append the dataset's")


@Parameter(name="*")
@OUTPUT
@dataclass(frozen=True)
class EncodeConfig:
    """Turn labelled CSVs into a dataset to train from, and a quarantine of what could not be used.

    A killed job, run again, goes on from its finished shards, but not with --split random or a pipe.

    Examples:
        encode data/agnews/train.csv --columns label,title,description --text title --out data/ag
    """

    csv: CsvPaths
    _: KW_ONLY
    reading: ReadingConfig = field(default_factory=ReadingConfig)
    label: Annotated[str, INPUT, Parameter(alias="-l", metavar="COLUMN")] = "label"
    "The column of the class."
    label_names: Annotated[str, INPUT, Parameter(metavar="NAMES")] = ""
    "What labels stand for, as in 1=World,2=Sports; or a CSV of two columns, label and name."
    out: Annotated[Path, Parameter(alias="-o", metavar="DIR")]
    "The dataset's folder: new, empty, or with --overwrite or --append an earlier dataset."
    append: bool = False
    "Add the CSVs to the dataset at --out, each once, told by its content; make the dataset if there is none."
    on_conflict: Literal["both", "keep", "replace"] = "both"
    "With --append, where the dataset has a text with another label: take both, keep its label, or replace it."
    new_labels: bool = False
    "With --append, let labels in that the dataset has not."
    profile: Annotated[Literal["seed", "ascii", "bytes"] | None, _default("bytes")] = None
    "How text becomes codes: bytes is UTF-8, ascii a-z, digits and punctuation, seed a-z and space."
    max_length: Annotated[int | None, RARE, _default("64 for seed, 128 for ascii and bytes")] = None
    "Codes a row, where texts are cut; 0 for the profile's own number."
    valid_fraction: Annotated[float | None, _default("0.1"), Parameter(metavar="SHARE")] = None
    "The share of rows to hold out, to measure a trained run on."
    split: Annotated[Literal["hash", "random"] | None, RARE, Parameter(show_default="hash")] = None
    "Hold out by a hash of the text, which streams; or at random by scikit-learn, with 24 to 75 bytes of memory a row."
    split_seed: Annotated[int | None, RARE, _default("828")] = None
    "Seed of the split."
    stratify: Annotated[bool, RARE] = False
    "With --split random, hold out the same share of each class."
    shard_rows: Annotated[int, RARE] = 65536
    "Rows a shard."
    common: CommonConfig = field(default_factory=CommonConfig)

    def options(self) -> "EncodeOptions":
        """What to make, and where.

        Raises:
            UsageError: A flag makes no sense.
        """
        from pipeline.building.run import EncodeOptions
        from pipeline.records.label_names import read_label_names

        return EncodeOptions(
            out=self.out,
            wanted=replace(self.reading.wanted(label=self.label), label_names=read_label_names(self.label_names)),
            append=self.append,
            overwrite=self.common.overwrite,
            profile=self.profile,
            max_length=self.max_length,
            split=self.split,
            valid_fraction=self.valid_fraction,
            split_seed=self.split_seed,
            stratify=self.stratify,
            shard_rows=self.shard_rows,
            max_quarantined=self.reading.max_quarantined,
            num_threads=self.common.num_threads,
            on_conflict=self.on_conflict,
            new_labels=self.new_labels,
        )


@says_what_compiles
def run(config: EncodeConfig) -> dict[str, Any]:
    """Encode CSVs, and report.

    Raises:
        CharmillError: Nothing was published; a quarantine may have been kept.
    """
    from jobs.cli.console import metered
    from pipeline.building.run import encode

    started = time.monotonic()
    options, formats = config.options(), config.reading.formats()
    encoded = encode(config.csv, options, formats, meters=partial(metered, config.common.log))
    counts, manifest = encoded.counts, encoded.manifest
    rows_train, rows_valid = manifest.num_rows("train"), manifest.num_rows("valid")
    return {
        "rows_in": counts.rows_in,
        "rows_out": counts.rows_out,
        "rows_quarantined": counts.rows_quarantined,
        "quarantined": encoded.quarantined,
        "rows_reused": encoded.rows_reused,
        "sources_skipped": encoded.skipped,
        "rows_total": rows_train + rows_valid,
        "rows_train": rows_train,
        "rows_valid": rows_valid,
        "duplicates_across_splits": {"text": encoded.seen_text, "codes": encoded.seen_codes},
        "rows_repeated": encoded.conflicts.rows_repeated,
        "conflicts": {
            "on_conflict": config.on_conflict,
            "texts": encoded.conflicts.texts,
            "texts_in_files": encoded.conflicts.texts_in_files,
            "rows_relabelled": encoded.conflicts.rows_relabelled,
            "rows_settled": encoded.conflicts.rows_settled,
            "rows_quarantined": encoded.quarantined.get("conflicting_label", 0),
            "example": encoded.example,
        },
        "num_labels": len(manifest.labels),
        "labels": manifest.labels,
        "labels_added": encoded.labels_added,
        "label_names": manifest.label_names,
        "warnings": encoded.warnings,
        "profile": manifest.profile.to_json(),
        "fingerprint": manifest.fingerprint,
        "seconds": round(time.monotonic() - started, 3),
        "outputs": [str(path) for path in encoded.outputs],
    }


def render(report: dict[str, Any]) -> str:
    """The report as text."""
    from jobs.cli.console import table

    profile, skipped, reused = report["profile"], report["sources_skipped"], report["rows_reused"]
    duplicates = report["duplicates_across_splits"]
    repeated, added = report["rows_repeated"], ", ".join(map(repr, report["labels_added"]))
    is_larger = report["rows_total"] > report["rows_out"]
    return table(
        {
            "rows in": report["rows_in"],
            **({"  read by an earlier run": reused} if reused else {}),
            "rows encoded": report["rows_out"],
            **({"rows in the dataset": report["rows_total"]} if is_larger else {}),
            "  to train from": report["rows_train"],
            "  held out": report["rows_valid"],
            "duplicates": f"held-out rows also in training: {duplicates['text']:,} by text, {duplicates['codes']:,} by codes",
            **({"rows repeated": f"{repeated:,} with a text that came before"} if repeated else {}),
            **_conflicts(report["conflicts"]),
            "rows quarantined": report["rows_quarantined"],
            **{f"  {reason}": count for reason, count in sorted(report["quarantined"].items())},
            **({"in the dataset already": skipped} if skipped else {}),
            "classes": f"{report['num_labels']:,}{f', of which new: {added}' if added else ''}",
            "profile": f"{profile['name']}, {profile['max_length']} codes a row ({profile['fingerprint']})",
            "dataset": report["fingerprint"],
            "seconds": report["seconds"],
            "rows/s": round((report["rows_in"] - reused) / max(report["seconds"], 1e-9)),
            "files": report["outputs"],
        }
    )


def _conflicts(found: Mapping[str, Any]) -> dict[str, str]:
    """What is to say of texts with more than one label."""
    example = found["example"]
    such = f", such as {example if len(example) <= _SHOWN else f'{example[:_SHOWN]}...'!r}" if example else ""
    rows = {}
    if texts := found["texts"]:
        rows["conflicts"] = f"{_count(texts, 'text is', 'texts are')} in the dataset with another label{such}"
        if found["on_conflict"] == "both":
            rows["conflicts"] += "; both labels stay, unless this is run again with --on-conflict replace"
        such = ""
    if quarantined := found["rows_quarantined"]:
        of = _count(quarantined, "row is in quarantine, its text", "rows are in quarantine, their texts")
        rows["conflicts"] = f"{of} being in the dataset with another label"
    if texts := found["texts_in_files"]:
        rows["conflicts in files"] = f"{_count(texts, 'text comes', 'texts come')} with several labels{such}"
    if relabelled := found["rows_relabelled"]:
        rows["relabelled"] = f"{_count(relabelled, 'row', 'rows')}, with the label that came last for the text"
        if settled := found["rows_settled"]:
            rows["relabelled"] += f"; of these {settled:,} for conflicts that the dataset had before"
    return rows


def _count(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"


def main() -> None:
    """Run the command."""
    run_command("encode", EncodeConfig, run, render, reads=True)


if __name__ == "__main__":
    main()
