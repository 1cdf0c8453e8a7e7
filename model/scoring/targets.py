"""Where the scores of each source go, by `--out` and `--out-format`, and which outputs make no sense."""

from collections.abc import Sequence
from pathlib import Path

from model.scoring.scorer import quarantine_path
from model.scoring.sinks import OutFormat
from pipeline.errors import UsageError
from pipeline.records.quarantine import require_no_foreign_file
from pipeline.storage.endings import stem
from pipeline.storage.publish import require_local, require_new_file
from pipeline.storage.source import STDIN, Source

FORMATS: dict[str, OutFormat] = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
"""Endings of files of scores. Where the format has several, the first one is that of files in a folder."""

_OTHER_FILES = {".json", ".tsv", ".txt", ".gz", ".zst", ".zip", ".pq", ".arrow", ".feather", ".xlsx"}
_TO_STDOUT = "write to standard output with --out -, as in --out - > NAME"


def format_of(out: Path | None, form: OutFormat | None) -> OutFormat:
    """The format of the scores: the one that was asked for, else by the name of the output.

    Args:
        out: A file or a folder; None for standard output.
        form: What was asked for, if anything.

    Raises:
        UsageError: The two do not go together.
    """
    if out is None:
        if form == "parquet":
            raise UsageError(
                "--out -: Parquet is written as a file and not to standard output; "
                "add --out-format csv or jsonl, or name a file NAME.parquet with --out"
            )
        return form or "csv"
    named = None if out.is_dir() else FORMATS.get(out.suffix.lower())
    if form is not None and named is not None and form != named:
        raise UsageError(f"--out {out}: the name is that of {named}, and --out-format says {form}; change one of them")
    return form or named or "parquet"


def find_targets(out: Path, form: OutFormat, sources: Sequence[Source], *, overwrite: bool) -> list[Path]:
    """The path of each source's scores.

    Args:
        out: A file for one source, or a folder that gets a file for each.
        form: What `format_of` said.
        sources: What is scored.
        overwrite: Files that are there may be replaced.

    Raises:
        UsageError: Two sources would share a file, a file exists already, or the output cannot be one.
    """
    _require_plain(out)
    if out.suffix.lower() in FORMATS and not out.is_dir():
        if len(sources) > 1:
            raise UsageError(f"{out}: {len(sources)} CSVs cannot go into one file; name a folder with --out")
        targets = [out]
    else:
        ending = next(ending for ending, of in FORMATS.items() if of == form)
        targets = [out / f"{_stem(source)}{ending}" for source in sources]
        taken: set[Path] = set()
        for target in targets:
            for output in (target, quarantine_path(target)):
                if output in taken:
                    raise UsageError(f"{output}: two CSVs would write it; score them into different folders")
            taken |= {target, quarantine_path(target)}
    for target in targets:
        _require_no_input(target, sources)
        require_new_file(target, overwrite=overwrite)
        quarantine = quarantine_path(target)
        _require_no_input(quarantine, sources)
        require_no_foreign_file(quarantine, overwrite=overwrite)
        if quarantine.exists() and not target.exists() and not overwrite:
            _require_own(quarantine, target, sources)
    return targets


def stream_quarantine(source: Source, *, overwrite: bool) -> Path:
    """Where the quarantine of a source goes whose scores go to standard output: into the current folder.

    Raises:
        UsageError: There is one already.
    """
    path = Path(f"{_stem(source)}.quarantine.parquet")
    _require_no_input(path, [source])
    if path.exists() and not overwrite:
        raise UsageError(
            f"{path}: the quarantine would go there, but it exists already; move it away, or add --overwrite to replace it",
            path=path,
        )
    require_no_foreign_file(path, overwrite=overwrite)
    return path


def _stem(source: Source) -> str:
    """A source's file name without the endings of its format and compression."""
    return stem("stdin" if source.path == STDIN else Path(source.path).name)


def _require_plain(out: Path) -> None:
    """Refuse what cannot be replaced by a finished file, and a folder named like a file of another format."""
    require_local(out, remedy=_TO_STDOUT)
    if out.suffix.lower() in _OTHER_FILES and not out.is_dir():
        raise UsageError(
            f"--out {out}: scores are written as {', '.join(FORMATS)}; name the file so, or {_TO_STDOUT}",
            path=out,
        )


def _require_no_input(output: Path, sources: Sequence[Source]) -> None:
    for source in sources:
        if source.is_file and output.exists() and output.samefile(source.path):
            raise UsageError(
                f"{output}: it is an input, and an output would replace it; name another --out", path=output
            )


def _require_own(quarantine: Path, target: Path, sources: Sequence[Source]) -> None:
    """Refuse to replace the quarantine of scores in another format beside it."""
    for other in (target.with_suffix(ending) for ending in FORMATS if ending != target.suffix):
        if other.exists() and not any(source.is_file and other.samefile(source.path) for source in sources):
            raise UsageError(
                f"{quarantine}: it is the quarantine of {other}, and that of {target} would replace it; "
                "name another --out, or add --overwrite",
                path=quarantine,
            )
