"""``charmill``, or ``python -m jobs``: the front door. It lists the jobs, and runs one. Imports nothing heavy."""

import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from typing import NoReturn

from jobs.cli.process import until_unread

JOBS = {
    "fetch": ("jobs.fetch", "FetchConfig", "download a public data set and check it"),
    "encode": ("jobs.encode", "EncodeConfig", "turn labelled files into a dataset"),
    "train": ("jobs.train", "TrainJobConfig", "train a classifier on a dataset"),
    "score": ("jobs.score", "ScoreConfig", "classify the rows of files"),
    "predict": ("jobs.predict", "PredictConfig", "classify texts given on the command line or on standard input"),
    "drops": ("jobs.drops.command", "DropsJobConfig", "score every new file of a folder, exactly once"),
    "drops status": ("jobs.drops.status", "StatusConfig", "show what became of those files"),
    "report": ("jobs.report", "ReportConfig", "lay trained runs beside each other on one HTML page"),
    "export": ("jobs.export", "ExportConfig", "turn a trained run into an ONNX file"),
    "warm-up": ("jobs.warm_up", "WarmUpConfig", "compile all kernels now, so that no other job has to wait for it"),
    "demo": ("jobs.demo", "DemoConfig", "try encode, train and score on real titles"),
    "bench": ("jobs.bench.command", "BenchConfig", "measure charmill beside its peers"),
}
"""The module, the config and the purpose of each job, by its name; a name of two words is a command of the first."""


def main() -> None:
    """Do what the command line says, and exit with its code."""
    first, *rest = sys.argv[1:] or ["--help"]
    if first == "help":  # `charmill help JOB` is `charmill JOB --help`.
        first, *rest = [*rest, "--help"]
        sys.argv[1:] = [first, *rest]
    flag, _, value = first.partition("=")
    if first in JOBS and " " not in first:
        module = import_module(JOBS[first][0])
        del sys.argv[1]
        module.main()
    elif first in {"--help", "--help-all", "-h"}:
        _print(_listing())
    elif first == "--version":
        _print(f"charmill {version('charmill')}")
    elif flag == "--completion":
        _print(_completion([value, *rest] if value else rest))
    else:
        _refuse(_unknown(first))


def _listing() -> str:
    width = max(map(len, JOBS))
    jobs = "\n".join(f"  {name:<{width}}  {purpose}" for name, (_, _, purpose) in JOBS.items())
    return (
        f"Usage: charmill JOB ...\n\ncharmill turns files of short text into classified Parquet. The jobs:\n\n{jobs}\n\n"
        "charmill JOB --help explains a job; python -m jobs.JOB is the same as charmill JOB.\n"
        "charmill --version names this version.\n"
        'For Tab to complete jobs and flags in bash: eval "$(charmill --completion bash)", or with zsh; '
        "in fish: charmill --completion fish | source"
    )


def _completion(words: list[str]) -> str:
    """The script for a shell."""
    from jobs.cli.completion import SHELLS, completion_script

    shell = next((shell for shell in SHELLS if words == [shell]), None)
    if shell is None:
        got = f", got {' '.join(words)}" if words else ""
        _refuse(f"--completion: expected one of {', '.join(SHELLS)}{got}; charmill --help says how to use it")
    return completion_script(
        shell, {name: getattr(import_module(module), config) for name, (module, config, _) in JOBS.items()}
    )


def _unknown(word: str) -> str:
    if word.startswith("-"):
        return f"{word}: charmill itself has no such flag; flags go behind the job, as in charmill encode {word}"
    near = get_close_matches(word, JOBS, n=1)
    return f"there is no job {word!r}{f'; did you mean {near[0]!r}?' if near else '.'} See charmill --help"


def _print(text: str) -> None:
    with until_unread():
        print(text, flush=True)  # noqa: T201


def _refuse(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


if __name__ == "__main__":
    main()
