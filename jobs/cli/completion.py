"""What a shell completes on charmill's command line: jobs, flags, and the values of those."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from jobs.cli.help import HELP_FLAGS
from jobs.cli.parse import make_app

Shell = Literal["bash", "zsh", "fish"]
SHELLS: tuple[Shell, ...] = ("bash", "zsh", "fish")

_OFFERS = {"bash": r'"{}" ?', "zsh": r"(?m)^ *['\"]\*?{}\[.*\n", "fish": r"(?m)^complete .* -l {} .*\n"}
"""How each shell's script offers a flag."""
_BASH_FILES = "local IFS=$'\\n'; compopt -o filenames 2> /dev/null"


def completion_script(shell: Shell, configs: Mapping[str, type[Any]]) -> str:
    """A script for a shell, which completes without starting charmill.

    Args:
        shell: Whose.
        configs: Each job's config by its name; a name of two words is a command of the first.
    """
    apps = {"": App(name="charmill", help_flags=sorted(HELP_FLAGS), help_format="plaintext", version_flags=[])}
    apps[""].default(_front_door)
    for name, config_type in configs.items():
        parent, _, command = name.rpartition(" ")
        apps[name] = make_app(command, config_type)
        apps[parent].command(apps[name])
    script = apps[""].generate_completion(shell=shell)
    for flag in _flags_to_leave_out(apps.values()):
        script = re.sub(_OFFERS[shell].format(flag.lstrip("-") if shell == "fish" else flag), "", script)
    if shell == "zsh":  # Which would find it by the name of its file; this is for eval.
        script += "compdef _cyclopts_charmill charmill\n"
    # In bash a folder's name ends in a slash then, and one with spaces is one name.
    return script.replace("COMPREPLY=( $(compgen -f", f"{_BASH_FILES}; COMPREPLY=( $(compgen -f")


def _flags_to_leave_out(apps: Iterable[App]) -> set[str]:
    """What help leaves out as well: what cyclopts calls a positional argument, and the contrary of a switch that is off."""
    out: set[str] = set()
    shown: set[str] = set()
    for argument in (argument for app in apps for argument in app.assemble_argument_collection()):
        if argument.index is not None:
            out.update(argument.names)
        else:
            negatives = argument.negatives if argument.field_info.default is False else ()
            out.update(negatives)
            shown.update(set(argument.names) - set(negatives))
    return out - shown


def _front_door(*, version: Annotated[bool, Parameter(negative=())] = False, completion: Shell | None = None) -> None:
    """What charmill takes before a job.

    Args:
        version: Name this version.
        completion: Print what completes the words of a command line in this shell.
    """
