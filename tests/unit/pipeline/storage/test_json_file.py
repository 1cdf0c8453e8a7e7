"""JSON that is read back: what fits comes back, and what does not is refused by the file's and the field's name."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InputError, MismatchError, UsageError
from pipeline.storage.json_file import read_json, reading


@dataclass(frozen=True)
class Inner:
    names: list[str]

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("no names")


@dataclass(frozen=True)
class Outer:
    share: float
    inners: list[Inner]


def read(folder: Path, content: Any) -> Outer:
    path = folder / "x.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read_json(path, Outer, (1, 2), "make it again")


def test_a_value_of_any_readable_version_comes_back(tmp_path: Path) -> None:
    for version in (1, 2):
        content = {"format_version": version, "share": 1, "inners": [{"names": ["ü"]}], "more": 0}
        assert read(tmp_path, content) == Outer(1.0, [Inner(["ü"])])


@pytest.mark.parametrize(
    ("change", "damage"),
    [
        ({"share": "1"}, "Expected 'float', got 'str', at 'share'"),
        ({"share": True}, "Expected 'float', got 'bool', at 'share'"),
        ({"share": float("nan")}, "JSON is malformed"),
        ({"share": 10**400}, "Number out of range, at 'share'"),
        ({"inners": [{"names": ["a"]}, {"names": ["a", None]}]}, "Expected 'str', got 'null', at 'inners[1].names[1]'"),
        ({"inners": [{}]}, "Object missing required field 'names', at 'inners[0]'"),
        ({"inners": [{"names": []}]}, "no names, at 'inners[0]'"),
        ({"format_version": True}, "Expected 'int', got 'bool', at 'format_version'"),
    ],
)
def test_damage_is_told_by_file_and_field(tmp_path: Path, change: dict[str, Any], damage: str) -> None:
    content = {"format_version": 2, "share": 0.5, "inners": []} | change
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'x.json'}: it is damaged ({damage}")
    assert str(caught.value).endswith("); make it again")
    assert caught.value.path == tmp_path / "x.json"


def test_another_version_is_told_apart_from_damage(tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match="format_version is 3, expected 2; make it again"):
        read(tmp_path, {"format_version": 3})


def test_a_file_that_cannot_be_read_is_no_damage(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError, match="cannot read"):
            read_json(path, Outer, (1,), "make it again")


@pytest.mark.parametrize("error", [ValueError("why"), RecursionError("why"), UsageError("why")])
def test_what_makes_no_sense_is_damage(error: Exception) -> None:
    with (
        pytest.raises(InputError, match=r"the file: it is damaged \(why\); make it again"),
        reading("the file", "make it again"),
    ):
        raise error
