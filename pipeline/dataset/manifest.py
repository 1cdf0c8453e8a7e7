"""The dataset format on one page: what `manifest.json` says, and how it is read back and checked.

DIR/
├── manifest.json            written last; a folder without it is not a dataset
├── train-00000.codes.npy    uint8 [num_rows, max_length], C order, opened as a memory map
├── train-00000.labels.npy   uint16 [num_rows], indices into the manifest's `labels`
├── train-00000.rows.parquet `source` string, `record` int64, `text` string: what the codes were made of, in the same order
├── valid-...                the same for the held-out rows
└── quarantine.parquet       only where something was quarantined

Labels are sorted, by number where all of them are whole numbers, so a class has the same id whatever comes first in the file. Where
classes were given names, the labels are those names, in the order of what files call them, and `label_names` says what that is.
There is no time or host in a manifest, and no path unless two sources share a file name: the same input gives the same bytes.

`encode --append` keeps profile, split and shards as they are, and adds sources, rows to the quarantine, and shards with the next
numbers, so a short shard may stand in the middle. Ids of labels stay what they are: new labels come behind the others. Only with
`--on-conflict replace` does a shard change: rows of a text take the label that came last, which may not be the one in their source.
`source` and `record` name a record for good: a source that comes later under a name that is taken is called by the path that was given,
and where that is taken too, by the path with `#2`, `#3` and so on.

Version 3 says how each source was written; earlier ones are refused.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.storage.json_file import read_json
from pipeline.text.alphabet import Profile, StoredProfile, profile_from_json

FORMAT_VERSION = 3
MANIFEST = "manifest.json"
QUARANTINE = "quarantine.parquet"
TRAIN, VALID = "train", "valid"
FILE_KINDS = {"codes": "codes.npy", "labels": "labels.npy", "rows": "rows.parquet"}


@dataclass(frozen=True, kw_only=True)
class SourceEntry:
    """One input: its stored size and hash, how it was written as `Dialect` says it, and the law's three numbers."""

    name: str
    bytes: int
    sha256: str
    delimiter: str
    encoding: str
    rows_in: int
    rows: int
    quarantined: int


@dataclass(frozen=True, kw_only=True)
class SplitEntry:
    """How rows were dealt to training and held-out: ``hash`` or ``random``."""

    method: str
    valid_fraction: float
    seed: int
    stratify: bool


@dataclass(frozen=True, kw_only=True)
class ShardEntry:
    """One shard: its three files by name, and the size and SHA-256 of each by kind."""

    split: str
    codes: str
    labels: str
    rows: str
    num_rows: int
    bytes: dict[str, int]
    sha256: dict[str, str]

    def __post_init__(self) -> None:
        if not self.bytes.keys() == self.sha256.keys() == FILE_KINDS.keys():
            raise ValueError(f"bytes and sha256: expected one each of {', '.join(FILE_KINDS)}")
        for kind in FILE_KINDS:
            require_plain_name(getattr(self, kind))


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a dataset consists of."""

    profile: Profile
    labels: list[str]
    label_names: dict[str, str]
    split: SplitEntry
    sources: list[SourceEntry]
    shards: list[ShardEntry]
    format_version: int = FORMAT_VERSION

    def num_rows(self, split: str) -> int:
        """Rows of `TRAIN` or `VALID`."""
        return sum(shard.num_rows for shard in self.shards if shard.split == split)

    @property
    def file_names(self) -> set[str]:
        """Every file that the dataset may consist of."""
        return {MANIFEST, QUARANTINE, *(getattr(shard, kind) for shard in self.shards for kind in FILE_KINDS)}

    @property
    def num_quarantined(self) -> int:
        """Records that did not become rows."""
        return sum(source.quarantined for source in self.sources)

    def to_json(self) -> dict[str, Any]:
        """The content of `manifest.json`."""
        rows_in = sum(source.rows_in for source in self.sources)
        rows_quarantined = self.num_quarantined
        return {
            "format_version": self.format_version,
            "profile": self.profile.to_json(),
            "labels": self.labels,
            "label_names": self.label_names,
            "rows_in": rows_in,
            "rows_out": rows_in - rows_quarantined,
            "rows_quarantined": rows_quarantined,
            "split": asdict(self.split),
            "sources": [asdict(source) for source in self.sources],
            "shards": [asdict(shard) for shard in self.shards],
        }

    def to_bytes(self) -> bytes:
        """The bytes of `manifest.json`."""
        return (json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n").encode()

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that name this dataset's content."""
        return hashlib.sha256(self.to_bytes()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class _StoredManifest:
    """What is read of `manifest.json`; its sums of rows follow from the sources."""

    profile: StoredProfile
    labels: list[str]
    label_names: dict[str, str]
    split: SplitEntry
    sources: list[SourceEntry]
    shards: list[ShardEntry]
    format_version: int


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a dataset.

    Raises:
        UsageError: The folder is not a dataset.
        InputError: The manifest is damaged.
        MismatchError: Another format version, or a profile that this charmill encodes otherwise.
    """
    path = folder / MANIFEST
    if not path.exists():
        what = f"{MANIFEST} is missing" if folder.is_dir() else "it is a file" if folder.exists() else "it is not there"
        raise UsageError(f"{folder}: it is not a dataset, {what}; make one with charmill encode", path=folder)
    stored = read_json(path, _StoredManifest, (FORMAT_VERSION,), "encode the CSVs again with charmill encode")
    return Manifest(**vars(stored) | {"profile": profile_from_json(stored.profile, str(folder))})


def require_plain_name(name: str) -> None:
    """Refuse a name that leads out of the folder it is in.

    Raises:
        ValueError: It does.
    """
    if Path(name).name != name or name in {"", ".", ".."}:
        raise ValueError(f"the file name {name!r} leaves the folder")
