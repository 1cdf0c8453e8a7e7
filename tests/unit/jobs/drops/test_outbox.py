"""The outbox: how outputs are called, and what may be removed from the folder where drops are worked on."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.drops.ledger.schema import Drop
from jobs.drops.outbox import WORK, Outbox, output_name

DROP = Drop(
    id=7,
    name="a.csv",
    bytes=1,
    sha256="1" * 64,
    state="scoring",
    model="m" * 16,
    options="o" * 16,
    attempts=1,
    rows_in=0,
    rows_scored=0,
    rows_quarantined=0,
    delimiter=",",
    encoding="utf-8",
    scores="",
    quarantine="",
    error="",
    exit_code=0,
    duplicate_of=None,
    seen_at=0.0,
    started_at=None,
    finished_at=None,
    retry_at=0.0,
    owner="",
    lease_until=0.0,
)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.csv", "a"),
        ("a.b.CSV.GZ", "a.b"),
        ("a.tsv.zst", "a"),
        ("x" * 251 + ".csv", "x" * 180),
        ("\u00e9" * 125 + ".csv", "\u00e9" * 90),
        ("../up.csv", ".._up"),
    ],
)
def test_output_names(name: str, stem: str) -> None:
    drop = replace(DROP, name=name)
    assert output_name(drop) == f"{stem}-{'1' * 12}-{'m' * 8}.parquet"
    assert len(f".{output_name(drop)}.quarantine.parquet".encode()) <= 255


def test_a_folder_that_comes_while_rubbish_is_removed_is_none(tmp_path: Path) -> None:
    (tmp_path / WORK / "drop-5").mkdir(parents=True)
    outbox = Outbox(tmp_path, overwrite=False)

    def open_drops() -> Iterable[Drop]:
        (tmp_path / WORK / "drop-6").mkdir()
        return [DROP]

    outbox.make_work_folder(DROP)
    outbox.remove_rubbish(open_drops)
    assert {path.name for path in (tmp_path / WORK).iterdir()} == {"drop-6", "drop-7"}
