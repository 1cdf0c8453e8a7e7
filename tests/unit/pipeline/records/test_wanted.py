"""What is wanted of every record: which columns are read, and what is said of an input that lacks one."""

import pytest

from pipeline.errors import InputError, UsageError
from pipeline.records.wanted import Wanted

WANTED = Wanted(text=("title", "body"), label="kind", keep=("id", "title"))


def test_each_wanted_column_is_read_once() -> None:
    assert WANTED.columns == {"title", "body", "kind", "id"}
    assert Wanted(text=("a",)).columns == {"a"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["title", "kind", "id"],
            r"^in\.csv: there is no column 'body' for --text; .* 'title', 'kind', 'id'; try this$",
        ),
        (["title", "body", "kind"], "there is no column 'id' for --keep"),
        (["title", "body", "id"], "there is no column 'kind' for --label"),
        (["title", "body", "kind", "id", "body"], "names 'body' twice, so --text is ambiguous"),
        ([f"c{number}" for number in range(30)], "'c19' and 10 more; try this$"),
        (["x" * 99], rf"columns are '{'x' * 40}\.\.\.'"),
    ],
)
def test_a_column_that_is_missing_or_there_twice_is_named(names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        WANTED.require_in(names, "in.csv", hint="; try this")
    assert caught.value.path == "in.csv"


def test_columns_may_stand_anywhere_among_others() -> None:
    WANTED.require_in(["other", "id", "kind", "body", "other", "title"], "in.csv")


@pytest.mark.parametrize("text", [(), ("",), ("a", "")])
def test_a_text_has_columns(text: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="--text: name at least one column"):
        Wanted(text=text)


def test_a_column_is_kept_once() -> None:
    with pytest.raises(UsageError, match="--keep: a, c is named twice"):
        Wanted(keep=("a", "b", "c", "a", "c"))
