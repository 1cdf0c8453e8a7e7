"""``python -m jobs.bench``."""

from jobs.bench.command import BenchConfig, render, run
from jobs.cli.command import run_command

if __name__ == "__main__":
    run_command("bench", BenchConfig, run, render, reads=True)
