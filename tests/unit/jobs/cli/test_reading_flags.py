"""The reading flags: what they mean to the reader."""

import pytest

from jobs.cli.reading_flags import ReadingConfig, split_names
from pipeline.errors import UsageError
from pipeline.formats.csv.detect_delimiter import ONE_COLUMN


@pytest.mark.parametrize(
    ("flag", "delimiter"),
    [("tab", "\t"), ("\\t", "\t"), ("\t", "\t"), (";", ";"), ("none", ONE_COLUMN), ("auto", "auto")],
)
def test_names_of_delimiters(flag: str, delimiter: str) -> None:
    assert ReadingConfig(delimiter=flag).formats().csv.delimiter == delimiter


def test_a_flag_that_is_not_given_is_detected() -> None:
    csv = ReadingConfig().formats().csv
    assert (csv.delimiter, csv.encoding) == ("auto", "auto")


def test_names_lose_the_spaces_around_them_as_those_of_headers_do() -> None:
    assert split_names('label, title ,"a, b"') == ("label", "title", "a, b")
    reading = ReadingConfig(text="title, body", columns=" label,title, body")
    assert reading.wanted(label="label").text == ("title", "body")
    assert reading.formats().csv.columns == ("label", "title", "body")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            ReadingConfig(delimiter="semicolon"),
            "--delimiter 'semicolon': expected one ASCII character .*, or tab, none or auto",
        ),
        (ReadingConfig(encoding="klingon"), "--encoding klingon"),
        (ReadingConfig(columns="a\nb"), "expected names with commas between"),
    ],
)
def test_what_makes_no_sense(config: ReadingConfig, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        config.formats()
