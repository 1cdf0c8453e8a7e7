"""Which encoding is taken, and what is not clear, with its message."""

import pytest

from pipeline.formats.detect_encoding import detect_encoding
from pipeline.formats.sniff import HeadError

WESTERN = [
    "Über Straßen und Plätze",
    "L\u2019été à Orléans, déjà créé… « voilà »",
    "El Niño en España: ¿qué pasó?",
    "Ångström på Öland, smørrebrød",
    "\u201cQuotes\u201d \u2013 and a price of 5 € or £3",
    "coração, não, ações",
]


@pytest.mark.parametrize("head", ["", "text\n", "\ufefftext\n", "日本語,Ünïcödé,\U0001f600\n", "a\0b\n"])
def test_utf8(head: str) -> None:
    assert detect_encoding(head.encode(), is_whole=True) == "utf-8"


@pytest.mark.parametrize("text", WESTERN)
def test_cp1252(text: str) -> None:
    assert detect_encoding(f"text\n{text}\nplain\n".encode("cp1252"), is_whole=True) == "cp1252"
    assert detect_encoding("\n".join(WESTERN).encode("cp1252"), is_whole=False) == "cp1252"


@pytest.mark.parametrize("character", ["é", "日", "\U0001f600"])
def test_a_head_may_end_within_a_character(character: str) -> None:
    for line in ("text\nabc", "text\n日本é\nabc"):
        for cut in range(1, len(character.encode())):
            head = line.encode() + character.encode()[:cut]
            assert detect_encoding(head, is_whole=False) == "utf-8"


def test_a_damaged_character_or_two_do_not_matter() -> None:
    utf8, damaged = "größer\n".encode(), "grö".encode()[:-1] + b"\n"
    assert detect_encoding(utf8 * 9 + damaged, is_whole=True) == "utf-8"
    cp1252, looks_like_utf8 = "größer\n".encode("cp1252"), "Ã¶\n".encode("cp1252")
    assert detect_encoding(cp1252 * 9 + looks_like_utf8, is_whole=True) == "cp1252"
    assert detect_encoding(cp1252 * 9 + b"\x81\n", is_whole=True) == "cp1252"


def test_two_encodings_in_one_file() -> None:
    head = "größer\n".encode() * 3 + "größer\n".encode("cp1252") * 4
    with pytest.raises(
        HeadError, match="of the first 7 lines that are not plain ASCII, 3 are UTF-8 and 4 are not"
    ) as caught:
        detect_encoding(head, is_whole=True)
    assert "--encoding utf-8 to quarantine" in str(caught.value)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Новости дня"),
        ("koi8-r", "Новости дня"),
        ("cp866", "Новости дня"),
        ("cp1253", "Ειδήσεις της ημέρας"),
        ("cp1255", "חדשות היום"),
        ("cp1256", "أخبار اليوم"),
        ("cp1250", "Zażółć gęślą jaźń"),
        ("iso8859-2", "Zażółć gęślą jaźń"),
        ("cp850", "Über größere Plätze"),
        ("mac-roman", "Le théâtre, la forêt, déjà reçu"),
        ("shift_jis", "今日のニュース"),
        ("euc-jp", "今日のニュース"),
        ("gbk", "今日新闻"),
        ("big5", "今日新聞"),
        ("euc-kr", "오늘의 뉴스"),
    ],
)
def test_other_code_pages_are_not_taken_for_cp1252(encoding: str, text: str) -> None:
    with pytest.raises(HeadError, match="neither UTF-8 nor, by its looks, cp1252; name it with --encoding"):
        detect_encoding(f"text\n{text}\n".encode(encoding), is_whole=True)
