"""What may be replaced by a new dataset, and nothing else."""

import json
import os
from pathlib import Path

import pytest

from pipeline.building.output_folder import remove_stale_quarantine, require_free_folder, require_only_dataset
from pipeline.errors import UsageError
from pipeline.records.quarantine import QuarantineWriter, Reject
from tests.building import build


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    csv = tmp_path / "a.csv"
    csv.write_text("text,label\n" + "".join(f"title {number},x\n" for number in range(30)) + "bad\n")
    return build(tmp_path / "stage", [csv])[0]


def make_quarantine(path: Path) -> None:
    writer = QuarantineWriter(path)
    writer.write([Reject("a.csv", 0, 2, 10, "bad_quote", b"x", 1)])
    writer.close()


def test_a_free_folder(tmp_path: Path) -> None:
    require_free_folder(tmp_path, overwrite=False)
    require_free_folder(tmp_path / "new", overwrite=False)
    make_quarantine(tmp_path / "quarantine.parquet")
    require_free_folder(tmp_path, overwrite=False)


@pytest.mark.parametrize("overwrite", [False, True])
def test_somebody_elses_quarantine_is_not_taken_for_ours(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "quarantine.parquet").write_bytes(b"PAR1 of another")
    with pytest.raises(UsageError, match="it is something else"):
        require_free_folder(tmp_path, overwrite=overwrite)


def test_only_a_dataset_is_overwritten_and_only_when_asked(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--overwrite"):
        require_free_folder(dataset, overwrite=False)
    require_free_folder(dataset, overwrite=True)
    for name in (
        *("notes.txt", "train-1.csv", "test-00000.codes.npy", "train-mine.codes.npy", "train-0001.codes.npy"),
        *(
            "my-train-00001.codes.npy",
            "valid-00001.rows.parquet.bak",
            "train-00001.codesxnpy",
            f"train-{chr(0x661) * 5}.codes.npy",
        ),
    ):
        (dataset / name).write_bytes(b"")
        with pytest.raises(UsageError, match=f"{name!r} belongs to none"):
            require_free_folder(dataset, overwrite=True)
        (dataset / name).unlink()
    with pytest.raises(UsageError, match="it is a file"):
        require_free_folder(tmp_path / "a.csv", overwrite=True)


@pytest.mark.parametrize("content", ['{"name": "a web app"}', "[]", ""])
def test_a_manifest_of_something_else_is_not_overwritten(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(UsageError, match=r"no manifest\.json of one"):
        require_free_folder(tmp_path, overwrite=True)


def test_shards_without_a_manifest_are_not_overwritten(dataset: Path) -> None:
    (dataset / "manifest.json").unlink()
    with pytest.raises(UsageError, match=r"no manifest\.json of one"):
        require_free_folder(dataset, overwrite=True)


def test_a_damaged_dataset_and_one_of_another_version_may_be_overwritten(dataset: Path) -> None:
    path = dataset / "manifest.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "format_version": 99}))
    require_free_folder(dataset, overwrite=True)
    path.write_text("{")
    require_free_folder(dataset, overwrite=True)


def test_a_quarantine_of_somebody_else_in_a_dataset_is_not_overwritten(dataset: Path) -> None:
    (dataset / "quarantine.parquet").write_bytes(b"PAR1 of another")
    with pytest.raises(UsageError, match="it is something else"):
        require_free_folder(dataset, overwrite=True)


def test_a_stale_quarantine_beside_a_dataset_is_removed_and_nothing_else(dataset: Path) -> None:
    beside = dataset.with_name("dataset.quarantine.parquet")
    remove_stale_quarantine(beside)
    make_quarantine(beside)
    remove_stale_quarantine(beside)
    assert not beside.exists()
    beside.write_text("mine")
    remove_stale_quarantine(beside)
    assert beside.read_text() == "mine"
    beside.unlink()
    os.mkfifo(beside)  # To open it would never end.
    remove_stale_quarantine(beside)
    assert beside.exists()


def test_a_file_of_somebody_else_beside_a_dataset_is_not_replaced_by_a_quarantine(dataset: Path) -> None:
    beside = dataset.with_name("dataset.quarantine.parquet")
    make_quarantine(beside)
    require_free_folder(dataset, overwrite=True)
    beside.write_text("mine")
    with pytest.raises(UsageError, match="it is something else"):
        require_free_folder(dataset, overwrite=True)


def test_an_append_replaces_the_datasets_own_files_only(dataset: Path) -> None:
    from pipeline.dataset.manifest import read_manifest

    manifest = read_manifest(dataset)
    require_only_dataset(dataset, manifest)
    (dataset / "train-00099.codes.npy").write_bytes(b"")
    with pytest.raises(UsageError, match="does not belong to it"):
        require_only_dataset(dataset, manifest)
