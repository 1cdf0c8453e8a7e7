"""A report as tests see it: parsed strictly, with its text, tables and charts, and what it would load or run."""

import hashlib
import re
from base64 import b64encode
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

VOID = {"meta", "br", "hr", "img", "link"}
STEERING = re.compile("[\u202a-\u202e\u2066-\u2069\u2028\u2029\u200f\x00\x1b\ud800]")


class Page(HTMLParser):
    """Fails on a tag that is not closed."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.ids: list[str] = []
        self.loads: list[tuple[str, str | None]] = []
        self.text = ""
        self.scripts: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html.decode())
        assert not self.open
        self.charts = {
            chart.get("aria-label", ""): chart
            for chart in map(ET.fromstring, re.findall("<svg.*?</svg>", html.decode(), re.DOTALL))
        }

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        for name, value in attrs:
            assert value is None or not re.search(r"\bnan\b|\binf\b", value, re.IGNORECASE), (tag, name, value)
            if name == "id":
                self.ids.append(str(value))
            elif name in {"src", "href", "xlink:href"} or name.startswith("on"):
                self.loads.append((name, value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.scripts.append(data)
        elif "style" not in self.open:
            self.text += data
            if {"td", "th"} & set(self.open):
                self.rows[-1][-1] += data


def require_harmless(html: bytes, page: Page) -> None:
    """Fails where the page would load anything, or run what is not its own."""
    assert len(set(page.ids)) == len(page.ids)
    assert {value for _, value in page.loads} <= {f"#{name}" for name in page.ids}
    assert not page.seen & {"link", "img", "image", "iframe", "object", "form"}
    for word in (b"http:", b"https:", b"url(", b"@import"):
        assert word not in html
    assert not STEERING.search(html.decode())
    (script,) = page.scripts
    allowed = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'\"" in html.decode()
