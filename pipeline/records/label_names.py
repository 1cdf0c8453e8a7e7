"""Names of classes: ``1=World,2=Sports`` says what the labels in files stand for. `Wanted.label_names` translates with them."""

import csv
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.errors import UsageError, from_os_error

FLAG = "--label-names"
_SHOWN = 5
_NUMBER = re.compile(r"\+?0*(-?[0-9]+)(?:\.0*)?")
_HEADER = re.compile(r"(.*[ _-])?names?", re.IGNORECASE)


def read_label_names(given: str) -> dict[str, str]:
    """The names of labels, by what files say.

    Args:
        given: ``LABEL=NAME`` pairs with commas between, where a pair with a comma in it is in double quotes, as in a CSV; or the path of a
            CSV in UTF-8 with two columns, label and name. Its first line is a header where the second field is ``name`` or ends so, as in
            ``class_name``. Empty for no names.

    Raises:
        UsageError: It is neither, or the names are ambiguous.
    """
    path = Path(given)
    try:
        is_file = bool(given) and path.is_file()
    except OSError:  # Too long for a path.
        is_file = False
    if is_file:
        return require_unambiguous(_read_pairs(path))
    pairs = []
    for pair in next(csv.reader([given]), []):
        label, equals, name = pair.partition("=")
        if not equals:
            more = "; there is no such file either" if pair == given else ""
            raise UsageError(f"{FLAG}: expected LABEL=NAME pairs with commas between, got {pair!r}{more}")
        pairs.append((label, name))
    return require_unambiguous(pairs)


def _read_pairs(path: Path) -> list[tuple[str, str]]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise from_os_error(error, "read", path) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{FLAG}: {path} is not UTF-8; save it as UTF-8", path=path) from error
    pairs = []
    try:
        for number, fields in enumerate(csv.reader(text.splitlines(keepends=True), strict=True), 1):
            if not fields or (number == 1 and len(fields) == 2 and _HEADER.fullmatch(fields[1].strip())):
                continue
            if len(fields) != 2:
                raise UsageError(
                    f"{FLAG}: {path}: expected two columns with a comma between, label and name, got {len(fields)} in record {number}",
                    path=path,
                )
            pairs.append((fields[0], fields[1]))
    except csv.Error as error:
        raise UsageError(f"{FLAG}: {path} cannot be read as CSV: {error}", path=path) from error
    if not pairs:
        raise UsageError(f"{FLAG}: there is no name in {path}", path=path)
    return pairs


def require_unambiguous(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The names by label, white space around them taken off, as it is taken off labels.

    Raises:
        UsageError: A label or a name is empty, there twice, or one is the other's.
    """
    names: dict[str, str] = {}
    for label, name in ((label.strip(), name.strip()) for label, name in pairs):
        if not label or not name:
            raise UsageError(f"{FLAG}: {label}={name}: expected a label and a name, got an empty one")
        if label in names:
            raise UsageError(f"{FLAG}: label {label!r} has two names, {names[label]!r} and {name!r}")
        if name in names.values():
            other = next(each for each, value in names.items() if value == name)
            raise UsageError(f"{FLAG}: labels {other!r} and {label!r} have the same name, {name!r}")
        names[label] = name
    for label, name in names.items():
        if names.get(name, name) != name:
            raise UsageError(
                f"{FLAG}: {label}={name} and {name}={names[name]} are ambiguous: {name!r} would be a label and another one's name"
            )
    return names


def check_names(names: Mapping[str, str], labels: Sequence[str]) -> list[str]:
    """What is odd about names: those that no row has, and labels without any; nothing where there are no names.

    Args:
        names: By what files say.
        labels: That there are, named where they have a name.
    """
    unused = [f"{label}={name}" for label, name in names.items() if name not in labels]
    unnamed = [repr(label) for label in labels if label not in names.values()]
    found = ((unused, "no row has"), (unnamed if names else [], "labels without a name keep their own:"))
    return [f"{FLAG}: {what} {listed(each)}" for each, what in found if each]


def look_alikes(labels: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """A warning where classes look the same to a person: but for capitals, for accents in one or two code points, or as numbers.

    Args:
        labels: That there are, named where they have a name.
        names: By what files say.
    """
    alike: dict[str, dict[str, str]] = {}  # What looks so: a label of each class, by class.
    for label in [*names, *labels]:
        number = _NUMBER.fullmatch(label)
        key = number[1] if number else unicodedata.normalize("NFC", label).casefold()
        if (named := names.get(label, label)) in labels:
            alike.setdefault(key, {}).setdefault(named, label)
    pairs = [" and ".join(map(ascii, [*each.values()][:2])) for each in alike.values() if len(each) > 1]
    todo = "" if names else f"; {FLAG} OTHER=LABEL makes two one"
    return [f"these are different classes: {listed(pairs)}{todo}"] if pairs else []


def listed(words: Sequence[str]) -> str:
    """Some words with commas between."""
    more = f" and {len(words) - _SHOWN:,} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more
