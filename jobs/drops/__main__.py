"""``python -m jobs.drops`` scores drops, ``python -m jobs.drops status`` shows what became of them."""

import sys

from jobs.cli.command import run_command
from jobs.drops import command, status

if __name__ == "__main__":
    if sys.argv[1:2] == ["status"]:
        run_command("drops status", status.StatusConfig, status.run, status.render, sys.argv[2:])
    else:
        run_command("drops", command.DropsJobConfig, command.run, command.render, reads=True)
