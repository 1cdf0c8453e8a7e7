"""A worker is alive until its process ends, however it ends."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jobs.drops.worker import Worker
from tests.commands import ROOT, environment


def test_others_know_when_a_process_has_ended(tmp_path: Path) -> None:
    mine = Worker(tmp_path)
    assert not mine.is_dead(mine.name)
    code = (
        "import sys; from pathlib import Path; from jobs.drops.worker import Worker\n"
        "worker = Worker(Path(sys.argv[1])); print(worker.name, flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(),
    )
    assert other.stdout is not None
    name = other.stdout.readline().strip()
    assert not mine.is_dead(name)
    assert not mine.is_dead(f"another-{name}")  # Of another host nothing is known.
    other.kill()
    other.communicate()
    assert mine.is_dead(name)
    assert mine.is_dead(name)
    mine.close()
    assert list(tmp_path.iterdir()) == []
    assert Worker(tmp_path).is_dead(mine.name)


def test_what_killed_processes_left_is_removed_and_nothing_of_the_living(tmp_path: Path) -> None:
    (tmp_path / "0123456789ab.alive").touch()
    workers = [Worker(tmp_path) for _ in range(2)]
    workers[0].remove_dead()
    assert {path.stem for path in tmp_path.iterdir()} == {worker.id for worker in workers}


def test_a_worker_that_is_just_beginning_is_not_taken_for_dead(tmp_path: Path) -> None:
    """Between the making of its file and the locking, another one may come and find the file unlocked."""

    def begin_and_sweep(_: int) -> bool:
        worker = Worker(tmp_path)
        worker.remove_dead()
        is_known = (tmp_path / f"{worker.id}.alive").exists()
        worker.close()
        return is_known

    with ThreadPoolExecutor(4) as executor:
        assert all(executor.map(begin_and_sweep, range(300)))
    assert list(tmp_path.iterdir()) == []
