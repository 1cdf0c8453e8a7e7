"""Completion, asked of the shells themselves where they are there."""

import shutil
import subprocess
from pathlib import Path

import pytest

from jobs.__main__ import JOBS
from tests.commands import call_charmill

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        done = call_charmill("--completion", shell, folder=folder, cwd=folder)
        assert (done.code, done.err) == (0, "")
        (folder / shell).write_text(done.out)
    return {shell: folder / shell for shell in SHELLS}


def _run(shell: str, *words: str, cwd: Path | None = None) -> str:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    done = subprocess.run([shell, *words], capture_output=True, text=True, cwd=cwd, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def _complete_in_bash(script: Path, line: str, cwd: Path | None = None) -> set[str]:
    """What Tab offers at the end of a line."""
    words = line.split(" ")
    asked = f"COMP_WORDS=({' '.join(map(repr, words))}); COMP_CWORD={len(words) - 1}"
    return set(
        _run(
            "bash", "-c", f'. "$0"; {asked}; _charmill; printf "%s\\n" "${{COMPREPLY[@]}}"', str(script), cwd=cwd
        ).splitlines()
    )


def _complete_in_fish(script: Path, line: str, cwd: Path | None = None) -> set[str]:
    offered = _run("fish", "--no-config", "-c", f'source "{script}"; complete -C "{line}"', cwd=cwd)
    return {each.partition("\t")[0] for each in offered.splitlines()}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_of_that_shell(shell: str, scripts: dict[str, Path]) -> None:
    _run(shell, "-n", str(scripts[shell]))


@pytest.mark.parametrize("complete", [_complete_in_bash, _complete_in_fish])
def test_jobs_flags_values_and_files_are_completed(complete, scripts: dict[str, Path], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    script = scripts[complete.__name__.rpartition("_")[2]]
    assert complete(script, "charmill ") >= {name for name in JOBS if " " not in name}
    assert complete(script, "charmill enc") == {"encode"}
    assert {"--version", "--completion"} <= complete(script, "charmill --")
    for name in JOBS:
        flags = complete(script, f"charmill {name} --")
        assert {"--log", "--config", "--json", "--help-all"} <= flags, name
        assert not [flag for flag in flags if flag.isupper() or flag == "--no-json"], name
    assert "--no-shuffle" in complete(script, "charmill train --")
    for name, flag in (
        ("encode", "--out"),
        ("train", "--recipe"),
        ("drops", "--inbox"),
        ("drops status", "--outbox"),
        ("predict", "--top"),
    ):
        assert flag in complete(script, f"charmill {name} --")
    assert "status" in complete(script, "charmill drops ")
    assert complete(script, "charmill score --engine ") >= {"auto", "folded", "torch"}
    assert complete(script, "charmill encode --profile s") == {"seed"}
    (tmp_path / "titles.csv").touch()
    for line in ("charmill encode ti", "charmill score --run ti", "charmill report ti"):
        assert complete(script, line, tmp_path) == {"titles.csv"}


def test_zsh_completes_as_well(scripts: dict[str, Path], tmp_path: Path) -> None:
    """Types into a zsh of its own, since completion there lives in the line editor."""
    ask = (
        "zmodload zsh/zpty; zpty z zsh -fi; zpty -w z 'PS1=; autoload -Uz compinit; compinit -u -d $PWD/dump; "
        f"source {scripts['zsh']}; charmill() {{ echo \"ran-${{(j:-:)@}}-so\" }}; echo ready-$((1 + 1))'; zpty -r z seen '*ready-2*'; "
        "zpty -w z $'charmill enc\\t--prof\\ts\\t'; zpty -r z seen '*ran-enc*-so*'; print -r -- $seen"
    )
    assert "ran-encode---profile-seed-so" in _run("zsh", "-fc", ask, cwd=tmp_path)
