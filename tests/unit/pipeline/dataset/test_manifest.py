"""The manifest: what was written comes back, and what cannot be trusted is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.dataset.manifest import Manifest, ShardEntry, SourceEntry, SplitEntry, read_manifest
from pipeline.errors import CharmillError, InputError, MismatchError, UsageError
from pipeline.text.alphabet import PROFILES

SHARD = ShardEntry(
    split="train",
    codes="train-00000.codes.npy",
    labels="train-00000.labels.npy",
    rows="train-00000.rows.parquet",
    num_rows=3,
    bytes={"codes": 1, "labels": 2, "rows": 3},
    sha256={"codes": "a", "labels": "b", "rows": "c"},
)
MANIFEST = Manifest(
    profile=PROFILES["ascii"],
    labels=["æ", "b"],
    label_names={"1": "æ"},
    split=SplitEntry(method="hash", valid_fraction=0.1, seed=828, stratify=False),
    sources=[
        SourceEntry(
            name="ü.csv", bytes=10, sha256="d", delimiter=";", encoding="cp1252", rows_in=5, rows=3, quarantined=2
        )
    ],
    shards=[SHARD, replace(SHARD, split="valid", num_rows=0)],
)


def write(folder: Path, content: Any) -> None:
    (folder / "manifest.json").write_text(json.dumps(content), encoding="utf-8")


def test_round_trip(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(MANIFEST.to_bytes())
    again = read_manifest(tmp_path)
    assert again == MANIFEST
    assert again.fingerprint == MANIFEST.fingerprint
    assert (again.num_rows("train"), again.num_rows("valid")) == (3, 0)


def test_it_states_the_laws_three_numbers() -> None:
    content = MANIFEST.to_json()
    assert (content["rows_in"], content["rows_out"], content["rows_quarantined"]) == (5, 3, 2)
    assert content["profile"]["fingerprint"] == MANIFEST.profile.fingerprint


def _set(*keys: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        place: Any = content
        for key in keys[:-1]:
            place = place[key]
        if value is None:
            del place[keys[-1]]
        else:
            place[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (_set("format_version", value=2), MismatchError, "format_version is 2, expected 3; encode the CSVs again"),
        (_set("profile", "fingerprint", value="feed"), MismatchError, rf"feed.*{MANIFEST.profile.fingerprint}"),
        (_set("profile", "max_length", value=64), MismatchError, "profile mismatch"),
        (_set("profile", "name", value="klingon"), MismatchError, "klingon"),
        (_set("profile", "max_length", value="64"), InputError, "damaged"),
        (_set("profile", value=None), InputError, "damaged"),
        (_set("labels", value=None), InputError, "damaged"),
        (_set("shards", 0, "num_rows", value=None), InputError, "damaged"),
        (_set("shards", value=7), InputError, "damaged"),
        (_set("shards", 0, "codes", value="../train-00000.codes.npy"), InputError, "leaves the folder"),
        (_set("shards", 1, "rows", value="/etc/passwd"), InputError, "leaves the folder"),
        (_set("shards", 0, "labels", value=".."), InputError, "leaves the folder"),
        (_set("shards", 0, "labels", value=""), InputError, "leaves the folder"),
        (_set("shards", 0, "labels", value=5), InputError, "damaged"),
    ],
)
def test_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], kind: type[CharmillError], message: str
) -> None:
    content = json.loads(MANIFEST.to_bytes())
    change(content)
    write(tmp_path, content)
    with pytest.raises(kind, match=message) as caught:
        read_manifest(tmp_path)
    assert type(caught.value) is kind


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"7", b"\xff", MANIFEST.to_bytes()[:100]])
def test_damaged_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        read_manifest(tmp_path)


def test_a_folder_without_manifest_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"charmill encode"):
        read_manifest(tmp_path)
    with pytest.raises(UsageError, match="it is not there; make one"):
        read_manifest(tmp_path / "nowhere")
    (tmp_path / "a.csv").touch()
    with pytest.raises(UsageError, match="it is a file; make one"):
        read_manifest(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "other",
    [
        replace(MANIFEST, labels=["æ", "c"]),
        replace(MANIFEST, profile=PROFILES["seed"]),
        replace(MANIFEST, shards=[replace(SHARD, sha256={**SHARD.sha256, "codes": "x"})]),
        replace(MANIFEST, split=replace(MANIFEST.split, seed=829)),
    ],
)
def test_fingerprint_changes_with_the_content(other: Manifest) -> None:
    assert other.fingerprint != MANIFEST.fingerprint
