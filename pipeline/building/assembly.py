"""The last step of a build: final labels are written, and what the dataset has already is put beside what is new."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.building.append import Base
from pipeline.building.conflicts import Conflicts
from pipeline.building.shard_writer import Change, ShardWriter
from pipeline.dataset.manifest import QUARANTINE, Manifest, ShardEntry
from pipeline.dataset.row_texts import read_rows
from pipeline.dataset.shards import LabelIds
from pipeline.records.law import check_law
from pipeline.records.quarantine import QuarantineWriter


def finish_shards(
    writers: Sequence[ShardWriter], final_ids: LabelIds, changes: Iterator[Change | None]
) -> list[ShardEntry]:
    """Finish all writers.

    Args:
        writers: All of whose shards are closed.
        final_ids: uint16 [K], the final id of each provisional one.
        changes: Of the labels of each shard, with provisional ids, for one writer after another.
    """
    return [
        shard
        for writer in writers
        for shard in writer.finish(final_ids, [with_ids(next(changes), final_ids) for _ in writer.finished])
    ]


def with_ids(change: Change | None, final_ids: LabelIds) -> Change | None:
    """A change with final label ids in the place of provisional ones."""
    return change and Change(change.rows, final_ids[change.label_ids])


def complete_folder(
    folder: Path, new: Manifest, base: Base | None, changes: Sequence[Change | None], quarantine: QuarantineWriter
) -> Manifest:
    """Complete a folder that has the new shards, and check the law; returns the dataset's manifest, which is not written yet.

    Args:
        folder: The dataset to be.
        new: Of what is new.
        base: The dataset that is added to.
        changes: Of the labels of each shard that the base has, with final ids.
        quarantine: Of the new sources, closed; it is moved.

    Raises:
        LawError: Rows were lost.
    """
    _check_law(new.sources[0].name if len(new.sources) == 1 else f"{len(new.sources)} files", new, quarantine)
    if base is None:
        if quarantine.num_rows:
            quarantine.path.rename(folder / QUARANTINE)
        return new
    base = base.link_shards(folder, changes)
    joined, rejects = base.extended(new), base.join_quarantine(quarantine, folder / QUARANTINE)
    _check_law(str(base.folder), joined, rejects)
    return joined


def _check_law(where: str, manifest: Manifest, quarantine: QuarantineWriter) -> None:
    rows_in = sum(source.rows_in for source in manifest.sources)
    check_law(where, rows_in, sum(shard.num_rows for shard in manifest.shards), quarantine.num_rows)


def example_text(folder: Path, shards: Sequence[ShardEntry], conflicts: Conflicts) -> str:
    """A text that has a conflict; empty where none has.

    Args:
        folder: With the rows of the new shards.
        shards: The new ones, in the order in which their marks were compared.
        conflicts: What was found.
    """
    if conflicts.example is None:
        return ""
    return str(next(read_rows(folder, shards, np.array([conflicts.example]), ["text"]))["text"][0])
