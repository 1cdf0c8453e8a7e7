"""What is wanted of every record: which columns are read, and what is said of an input that lacks one.

The message names the column that was probably meant, which is never taken.
"""

from collections.abc import Sequence
from typing import Any

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


def refuse(names: Sequence[str], sample: Sequence[Sequence[str]] = (), **wanted: Any) -> str:
    with pytest.raises(InputError) as caught:
        Wanted(**wanted).require_in(names, "in.csv", "; or else", lambda: sample)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "names", "meant"),
    [
        ("title", ["id", "Title"], "Title"),
        ("title", ["TITLE", "titles"], "TITLE"),
        ("title", ["id", "titles"], "titles"),
        ("title", ["id", "tite"], "tite"),
        ("title", ["id", "titel"], "titel"),
        ("text", ["id", "Text", "texts"], "Text"),
        ("Überschrift", ["überschrift"], "überschrift"),
    ],
)
def test_a_name_that_differs_in_case_or_by_a_letter(name: str, names: list[str], meant: str) -> None:
    message = refuse(names, text=[name])
    listed = ", ".join(map(repr, names))
    assert (
        message
        == f"in.csv: there is no column {name!r} for --text; did you mean {meant!r}? the columns are {listed}; or else"
    )


def test_labels_and_kept_columns_are_suggested_too() -> None:
    assert "no column 'lable' for --label; did you mean 'label'?" in refuse(["text", "label"], label="lable")
    assert "no column 'ID' for --keep; did you mean 'id'?" in refuse(["text", "id"], keep=["ID"])


@pytest.mark.parametrize(("name", "names"), [("title", ["id", "name"]), ("title", ["subtitle"]), ("id", ["ab"])])
def test_nothing_is_suggested_that_is_another_word(name: str, names: list[str]) -> None:
    assert "did you mean" not in refuse(names, text=[name])


WORDS, LONG = ["a short title", "one more title here"], ["a description that is much longer " * 3, "as this one " * 9]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"id": ["1", "2"], "description": WORDS, "class": ["tools", "fish"]}, "description"),
        ({"id": ["1", "2"], "title": WORDS, "description": LONG}, "description"),
        ({"my title, in full": WORDS}, """'"my title, in full"'"""),
        ({"url": ["http://a.b/c", "http://d.e/f"], "my title": WORDS}, "'my title'"),
        ({"date": ["2024-01-01", "2024-01-02"], "名前": ["今日のニュース", "明日の天気"]}, "'名前'"),
        ({"first": WORDS, "second": WORDS}, ""),
        ({"id": ["1", "2"], "class": ["tools", "fish"]}, ""),
        ({"label": WORDS, "title": ["one", "two"]}, ""),
        ({"3": ["1", "2"], "Stocks fall": WORDS}, ""),
        ({"": ["1", "2"], "title": WORDS}, ""),
        ({"description": ["only now and", "", "", "3"]}, ""),
        ({"id": [], "description": []}, ""),
    ],
)
def test_the_one_column_that_looks_like_text(columns: dict[str, list[str]], expected: str) -> None:
    message = refuse(list(columns), list(columns.values()), label="label")
    lead = f"add --text {expected}, which looks like text; " if expected else ""
    assert f"there is no column 'text' for --text; {lead}the columns are" in message


def test_who_named_a_column_is_not_told_of_others() -> None:
    assert "looks like" not in refuse(["description"], [WORDS], text=["body"])


def test_all_columns_are_those_of_each_file() -> None:
    wanted = Wanted(text=("title",), label="label", keeps_all=True, reserved=["record", "label"], labels=["a"])
    assert WANTED.in_file(["x"], "in.csv") is WANTED
    first = wanted.in_file(["id", "title", "label", ""], "in.csv")
    assert first == Wanted(
        text=("title",), label="label", keep=["id", "title", ""], reserved=wanted.reserved, labels=["a"]
    )
    assert first.columns == {"id", "title", "label", ""}
    assert wanted.in_file(["title", "label"], "b.csv").keep == ["title"]
    other = Wanted(text=("title",), label="kind", keeps_all=True, reserved=["record", "label"])
    assert other.in_file(["title", "kind"], "c.csv").keep == ["title", "kind"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["title", "record", "a b"],
            r"in\.csv: --keep all: the scores have a column 'record', too; .* --keep 'title,a b'$",
        ),
        (["title", "label"], "the scores have a column 'label', too"),
        (["title", "x", "x"], r"the header names 'x' twice; .* --keep title$"),
    ],
)
def test_all_columns_are_refused_where_two_would_have_one_name(names: list[str], message: str) -> None:
    wanted = Wanted(text=("title",), label="kind", keeps_all=True, reserved=["record", "label"])
    with pytest.raises(InputError, match=message):
        wanted.in_file(names, "in.csv")
