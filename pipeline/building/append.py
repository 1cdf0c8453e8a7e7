"""Appending: which sources are new to a dataset, and how its files and the new ones come together.

A source is in a dataset when its stored bytes are, whatever it is called. The finished shards of the dataset are not written again but
linked into the staged folder, which then takes the dataset's place whole. What changes is written anew, so the dataset stays whole until
then.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path

import numpy as np

from pipeline.building.output_folder import is_free, require_only_dataset
from pipeline.building.shard_writer import Change, write_labels
from pipeline.dataset.manifest import (
    FILE_KINDS,
    QUARANTINE,
    TRAIN,
    VALID,
    Manifest,
    SourceEntry,
    SplitEntry,
    read_manifest,
)
from pipeline.dataset.shards import open_labels, verify_shards
from pipeline.errors import InputError, MismatchError, TemporaryError, UsageError
from pipeline.records.label_names import require_unambiguous
from pipeline.records.quarantine import QuarantineWriter, count_rejects, read_rejects
from pipeline.records.wanted import Wanted
from pipeline.storage.durable import sync_folder, write_durably
from pipeline.storage.source import Source, as_text
from pipeline.text.alphabet import Profile, get_profile, require_same_profile


@dataclass(frozen=True)
class Base:
    """The dataset to add to."""

    folder: Path
    manifest: Manifest

    def require_profile(self, name: str | None, max_length: int | None) -> Profile:
        """The dataset's profile.

        Args:
            name: What was asked for, where anything was.
            max_length: Likewise; 0 for the profile's own.

        Raises:
            MismatchError: Another one was asked for.
        """
        profile = self.manifest.profile
        asked = get_profile(name or profile.name, profile.max_length if max_length is None else max_length)
        require_same_profile(str(self.folder), profile.to_json(), "the command", asked.to_json())
        return profile

    def require_split(self, method: str | None, valid_fraction: float | None, seed: int | None) -> SplitEntry:
        """The dataset's split.

        Args:
            method: What was asked for, where anything was.
            valid_fraction: Likewise.
            seed: Likewise.

        Raises:
            MismatchError: Another one was asked for.
        """
        split = self.manifest.split
        for flag, has, asked in (
            ("--split", split.method, method),
            ("--valid-fraction", split.valid_fraction, valid_fraction),
            ("--split-seed", split.seed, seed),
        ):
            if asked is not None and asked != has:
                raise MismatchError(
                    f"{self.folder}: the dataset was made with {flag} {has}, expected the same, got {asked}; "
                    f"leave {flag} out, or encode all CSVs again",
                    path=self.folder,
                )
        return split

    def require_labels(self, wanted: Wanted, *, new_labels: bool) -> Wanted:
        """What is wanted, with the dataset's names of labels, and its labels as those that are known.

        Args:
            wanted: What was asked for; the names that it has must be the dataset's, and those that it lacks are the dataset's.
            new_labels: There may be labels that the dataset has not, and names for them.

        Raises:
            MismatchError: A label has another name in the dataset, or none.
            UsageError: A new name is ambiguous beside the dataset's.
        """
        has = self.manifest.label_names
        asked = require_unambiguous([*{**has, **wanted.label_names}.items()])
        known = {*self.manifest.labels, *has}
        for label in asked:
            is_new = label not in known and (
                asked[label] in self.manifest.labels or (new_labels and asked[label] not in known)
            )
            if asked[label] != has.get(label) and not is_new:
                said = f"{label}={has[label]}" if label in has else f"no name for {label!r}"
                todo = (
                    "encode all files again" if label in known or new_labels else "add --new-labels to name new labels"
                )
                raise MismatchError(
                    f"{self.folder}: --label-names: the dataset has {said}, expected the same, got {label}={asked[label]}; "
                    f"leave that out, or {todo}",
                    path=self.folder,
                )
        return replace(wanted, label_names=asked, labels=() if new_labels else tuple(self.manifest.labels))

    @property
    def num_rows(self) -> int:
        """Rows of both splits."""
        return sum(shard.num_rows for shard in self.manifest.shards)

    def num_shards(self, split: str) -> int:
        """Shards of a split."""
        return sum(shard.split == split for shard in self.manifest.shards)

    def extended(self, new: Manifest) -> Manifest:
        """The manifest of this dataset and the new rows together."""
        shards = [*self.manifest.shards, *new.shards]
        return replace(
            self.manifest,
            labels=new.labels,
            label_names=new.label_names,
            sources=[*self.manifest.sources, *new.sources],
            shards=[shard for split in (TRAIN, VALID) for shard in shards if shard.split == split],
        )

    def link_shards(self, staged: Path, changes: Sequence[Change | None]) -> "Base":
        """Put this dataset's shards into a staged folder: as hard links, or copied where the file system has none.

        Args:
            staged: The folder.
            changes: Of each shard's labels; where there is one, its labels are written anew.

        Returns:
            The dataset with the shards as they are there.
        """
        shards = []
        for shard, change in zip(self.manifest.shards, changes, strict=True):
            for kind in FILE_KINDS:
                if kind != "labels" or change is None:
                    name = getattr(shard, kind)
                    _link(self.folder / name, staged / name)
            if change is not None:
                shard = write_labels(staged, shard, np.array(open_labels(self.folder, shard)), change)  # noqa: PLW2901
            shards.append(shard)
        sync_folder(staged)
        return replace(self, manifest=replace(self.manifest, shards=shards))

    def join_quarantine(self, new: QuarantineWriter, path: Path) -> QuarantineWriter:
        """Write this dataset's rejects and then the new ones into one file, durably.

        Args:
            new: Closed.
            path: Where to write.
        """
        joined = QuarantineWriter(path)
        for part in (self.folder / QUARANTINE, new.path):
            for rejects in read_rejects(part) if part.exists() else ():
                joined.write(rejects)
        joined.close()
        return joined


def _link(old: Path, new: Path) -> None:
    try:
        os.link(old, new)
    except FileExistsError:
        raise
    except OSError:  # Not on every file system, and not across two of them.
        with old.open("rb") as source:
            write_durably(new, lambda copy: shutil.copyfileobj(source, copy, 1 << 20))


def read_base(folder: Path) -> Base | None:
    """Read the dataset to add to; None where there is none yet. To be called while its staging folder is held.

    Raises:
        UsageError: Something else is there.
        InputError: The dataset is damaged.
        MismatchError: It cannot be appended to.
    """
    if is_free(folder):
        return None
    manifest = read_manifest(folder)
    require_only_dataset(folder, manifest)
    if manifest.split.method != "hash":
        raise MismatchError(
            f"{folder}: it was made with --split {manifest.split.method}, which deals all rows at once, and --append needs --split hash; "
            "encode all CSVs again with --split hash",
            path=folder,
        )
    verify_shards(folder, manifest, sizes_only=True)
    num_rejects = count_rejects(folder / QUARANTINE)
    if num_rejects != manifest.num_quarantined:
        raise InputError(
            f"{folder / QUARANTINE}: expected {manifest.num_quarantined:,} records, got {num_rejects:,}; "
            "put the file back, or encode the CSVs again",
            path=folder / QUARANTINE,
        )
    return Base(folder, manifest)


@dataclass(frozen=True)
class Additions:
    """What an append has to do.

    Attributes:
        sources: To read, under the names they will have in the dataset.
        sha256: Of each source's stored bytes.
        skipped: The names of those that are in the dataset already, or came twice.
    """

    sources: list[Source]
    sha256: list[str]
    skipped: list[str]


def choose_additions(sources: Sequence[Source], base: Base | None) -> Additions:
    """Leave out what is in the dataset already, by content.

    Raises:
        UsageError: A source cannot be read, or not twice.
    """
    entries: Sequence[SourceEntry] = base.manifest.sources if base else ()
    have, names = {entry.sha256 for entry in entries}, {entry.name for entry in entries}
    additions = Additions([], [], [])
    for source in sources:
        if not source.is_file:
            raise UsageError(
                f"{source.path}: --append reads its inputs twice, which a pipe cannot; save it as a file and name that",
                path=source.path,
            )
        sha256 = source.hash_stored()
        if sha256 in have:
            additions.skipped.append(source.name)
            continue
        name = _free_name(source, names)
        have.add(sha256)
        names.add(name)
        additions.sources.append(Source(source.path, name))
        additions.sha256.append(sha256)
    return additions


def _free_name(source: Source, taken: set[str]) -> str:
    """The source's name, or where that is taken, its path, or where that is taken too, the path with a number."""
    path = as_text(source.path)
    candidates = chain((source.name, path), (f"{path}#{number}" for number in count(2)))
    return next(name for name in candidates if name not in taken)


def require_same_content(source: Source, expected_sha256: str) -> None:
    """Refuse a source that has changed since its content was compared with the dataset's.

    Raises:
        TemporaryError: It was.
    """
    if source.sha256 != expected_sha256:
        raise TemporaryError(
            f"{source.path}: it was changed while it was being read, expected SHA-256 {expected_sha256[:16]}, got {source.sha256[:16]}; "
            "run this again when it is complete",
            path=source.path,
        )
