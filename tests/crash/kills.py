"""What kills leave behind: a process that is really killed at a change, and one that copies its folder before each.

To start a process for each change would take minutes. A copy is as good as a kill as long as a kill leaves what the copy has, which is
shown for one change of each kind.
"""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from tests.commands import ROOT, call
from tests.crash.changes import CHANGES, Changes, before_each_change


def killed_states(folder: Path, run: Callable[[], object], changes: Changes = CHANGES) -> list[Path]:
    """Run something in this process, and give copies of a folder as a kill before each change would have left it, in order."""
    copies = folder.with_name(f"{folder.name}, killed")
    copies.mkdir()
    with before_each_change(lambda number, kind: shutil.copytree(folder, copies / f"{number:03d} {kind}"), changes):
        run()
    return sorted(copies.iterdir())


def one_of_each_kind(states: list[Path]) -> dict[str, int]:
    """For each kind of change, the number of one of them; not the first ones, before which next to nothing is there."""
    of_kinds: dict[str, list[int]] = {}
    for number, state in enumerate(states):
        of_kinds.setdefault(state.name.partition(" ")[2], []).append(number)
    return {kind: numbers[len(numbers) // 2] for kind, numbers in of_kinds.items()}


def kill_at(
    number: int,
    job: str,
    *tokens: object,
    setup: str = "",
    changes: str = "changes",
    stdin: bytes = b"",
    cwd: Path = ROOT,
) -> None:
    """Start a job and let it be killed before a change.

    Args:
        number: Of the change, from 0.
        job: As in ``python -m jobs.JOB``.
        tokens: Its command line.
        setup: Python to run before it.
        changes: The module beside this one that lists the changes.
        stdin: Its standard input.
        cwd: Where it runs.
    """
    killing = f"from tests.crash import changes, {changes}\nchanges.kill_before({number}, {changes}.CHANGES)"
    done = call(job, *tokens, prelude=f"{setup}\n{killing}", stdin=stdin, cwd=cwd)
    assert done.code == -signal.SIGKILL, done.err
