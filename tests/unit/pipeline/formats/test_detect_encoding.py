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
    "Perché così? Più caffè è già qui, 100 m² a 5 m³",
    "Où sont-ils ? Ça va être fâché, naïve Œuvre, 3ᵉ".replace("ᵉ", "e"),
    "Hyvää päivää, Jyväskylä",
    "På søndag får vi blåbærgrød™",
    "København, Sørensen, Rohr Ø 20 mm",
    "Paris\u2013Dakar, 1999\u20132000, so \u2013 or so",
    "façade, forçar, força, França",
    "n.º 5, 2ª edição, 20 °C ± 1",
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
    assert detect_encoding("größer\n".encode("cp1252") * 9 + b"\x81\n", is_whole=True) == "cp1252"


def test_two_encodings_in_one_file() -> None:
    for num_utf8, num_others in ((3, 4), (1, 400)):
        head = "größer\n".encode() * num_utf8 + "größer\n".encode("cp1252") * num_others
        match = f"of the first {num_utf8 + num_others} lines that are not plain ASCII, {num_utf8} are UTF-8 and {num_others} are not"
        with pytest.raises(HeadError, match=match) as caught:
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
        ("cp1250", "Ceny ropy rosną"),
        ("cp1250", "Nowa fabryka będzie gotowa, są już plany"),
        ("cp1250", "Ceny ropy stoupají přes týden"),
        ("cp1250", "Vláda schválila rozpočet na příští rok"),
        ("cp1250", "Az időjárás hűvös erdő felett"),
        ("cp1250", "Echipa naţională"),
        ("cp1254", "\u0130stanbul\u2019da \u015firket y\u0131l\u0131 de\u011fi\u015fti"),
        ("cp1254", "Türkiye'de yeni bir gün ba\u015flad\u0131"),
        ("cp850", "Öl"),
        ("cp1250", "Miloš na žitném poli"),
        ("cp1250", "będzie ładna"),
        ("cp1257", "Hokeja spēle"),
        ("mac-roman", "El niño de España"),
        ("mac-roman", "El corazón"),
        ("mac-roman", "Köln"),
        ("euc-kr", "한국"),
        ("mac-roman", "Größe"),
        ("mac-roman", "Tür wäre für"),
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
