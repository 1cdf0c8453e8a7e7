"""The journal of a drop's parts: what a process may touch in the drop's folder."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobs.drops.drop_scorer import DropJournal
from jobs.drops.ledger.database import Database
from jobs.drops.ledger.leases import Lease, Leases
from jobs.drops.ledger.ledger import Ledger


@pytest.fixture
def lease(tmp_path: Path) -> Iterator[Lease]:
    with closing(Database(tmp_path)) as database:
        Ledger(database).register(
            name="a.csv", num_bytes=1, sha256="1" * 64, model="m", options="o", rescore=False, file=None
        )
        lease = Leases(database, "here:a", lambda _: False, 30.0).claim("1" * 64, model="m", options="o")
        assert lease is not None
        yield lease


def test_who_lost_a_drop_removes_only_its_own_files(lease: Lease, tmp_path: Path) -> None:
    work = tmp_path / "drop-1"
    work.mkdir()
    (work / "b.part-00000.scores.parquet").touch()
    journal = DropJournal(lease, work, "a.")
    assert list(work.iterdir()) == []  # With the lease it may remove what belongs to no part.
    for name in ("a.part-00000.scores.parquet", "b.part-00000.scores.parquet"):
        (work / name).touch()
    journal.remove_unfinished()
    assert [path.name for path in work.iterdir()] == ["b.part-00000.scores.parquet"]
