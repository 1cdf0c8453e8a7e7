"""Names of labels, on the command line and in a CSV, and what is refused."""

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.records.label_names import check_names, look_alikes, read_label_names

AGNEWS = {"1": "World", "2": "Sports", "3": "Business", "4": "Sci/Tech"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1=World,2=Sports,3=Business,4=Sci/Tech", AGNEWS),
        (" 1 = World , 2=Sports", {"1": "World", "2": "Sports"}),
        ('1=World,"2=Arts, Leisure"', {"1": "World", "2": "Arts, Leisure"}),
        ("a=b=c", {"a": "b=c"}),
        ("1=1,2=x", {"1": "1", "2": "x"}),
        ("", {}),
        ("x=" + "y" * 5000, {"x": "y" * 5000}),
    ],
)
def test_pairs(given: str, expected: dict[str, str]) -> None:
    assert read_label_names(given) == expected


@pytest.mark.parametrize("header", ["", "label,name\n", "code, Name \n", "class_id,class_name\n"])
def test_a_file_with_or_without_a_header(header: str, tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text(f'\ufeff{header}1,World\n2,"Arts, Leisure"\n\n3, "x"\n', encoding="utf-8")
    assert read_label_names(str(path)) == {"1": "World", "2": "Arts, Leisure", "3": '"x"'}


def test_only_a_first_line_is_a_header(tmp_path: Path) -> None:
    path = tmp_path / "a=b"
    path.write_text("1,World\nlabel,name\n")
    assert read_label_names(str(path)) == {"1": "World", "label": "name"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("1", "expected LABEL=NAME pairs with commas between, got '1'; there is no such file either"),
        ("1=World,2", "got '2'"),
        ("1=World,=Sports", "got an empty one"),
        ("1=World,2=", "got an empty one"),
        ("1=World,1=Sports", "label '1' has two names, 'World' and 'Sports'"),
        ("1=World,2=World", "labels '1' and '2' have the same name, 'World'"),
        ("1=2,2=3", "1=2 and 2=3 are ambiguous"),
        ("2=3,1=2", "1=2 and 2=3 are ambiguous"),
    ],
)
def test_what_cannot_be_meant(given: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_label_names(given)
    assert words in str(raised.value)
    assert str(raised.value).startswith("--label-names: ")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "there is no name"),
        (b"label,name\n", "there is no name"),
        (b"1,World\n2,Sports,x\n", "got 3 in record 2"),
        (b"1;World\n", "got 1 in record 1"),
        (b"1,\xff\n", "save it as UTF-8"),
        (b'1,"World\n', "cannot be read as CSV"),
    ],
)
def test_a_file_that_has_no_names(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError) as raised:
        read_label_names(str(path))
    assert words in str(raised.value)
    assert raised.value.path == path


def test_names_and_labels_that_lack_each_other_are_said() -> None:
    assert check_names(AGNEWS, [*AGNEWS.values()]) == []
    assert check_names({}, ["1"]) == []
    assert check_names(AGNEWS, ["World", "Sports", "5", "Business"]) == [
        "--label-names: no row has 4=Sci/Tech",
        "--label-names: labels without a name keep their own: '5'",
    ]
    many = {str(number): f"n{number}" for number in range(8)}
    assert check_names(many, ["n0"]) == ["--label-names: no row has 1=n1, 2=n2, 3=n3, 4=n4, 5=n5 and 2 more"]


def test_labels_that_look_the_same_are_said() -> None:
    assert look_alikes(["1", "2", "10", "-1", "a", "b", "1e0", "Café", "1.5"], {}) == []
    assert look_alikes(["1", "2"], {"1.0": "1"}) == []
    assert look_alikes(["World", "1.0"], {"1": "World"}) == ["these are different classes: '1' and '1.0'"]
    (said,) = look_alikes(["1", "1.0", "01", "Sport", "sport", "Caf\u00e9", "Cafe\u0301", "7"], {})
    assert said == (
        "these are different classes: '1' and '1.0', 'Sport' and 'sport', 'Caf\\xe9' and 'Cafe\\u0301'; "
        "--label-names OTHER=LABEL makes two one"
    )
