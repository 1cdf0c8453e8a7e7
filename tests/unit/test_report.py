"""The report: one file that opens offline and cannot be written to by the data."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from model.report import make_chart, render_report

EVIL = "<script>alert('&')</script>"
VOID = {"meta", "br", "hr", "img", "link", "line", "polyline", "circle"}


class _Balance(HTMLParser):
    """Fails on a tag that is not closed, and collects what would be loaded or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.loads: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.loads += [
            (name, value) for name, value in attrs if name in {"src", "href", "xlink:href"} or name.startswith("on")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _line(epoch: int) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "train_loss": 1 / (epoch + 1),
        "valid_loss": 1.1 / (epoch + 1),
        "train_accuracy": 0.5,
        "valid_accuracy": 0.625 + epoch / 1000,
        "batch_accuracy": 1.0,
    }


def _report(num_epochs: int, **changes: Any) -> str:
    values: dict[str, Any] = {
        "title": f"run {EVIL}",
        "history": [_line(epoch) for epoch in range(num_epochs)],
        "labels": [EVIL, "b", "never"],
        "confusion": [[5, 1, 0], [2, 1234, 0], [0, 0, 0]],
        "facts": {"sources": f"{EVIL}.csv"},
        "config": {"lr": 0.001, "note": EVIL},
    }
    return render_report(**(values | changes)).decode()


@pytest.mark.parametrize("num_epochs", [1, 2, 3, 99])
def test_it_is_whole_opens_offline_and_shows_both_curves(num_epochs: int) -> None:
    html = _report(num_epochs)
    parser = _Balance()
    parser.feed(html)
    assert not parser.open
    assert not parser.loads
    assert not parser.seen & {"script", "link", "img", "iframe"}
    assert "http:" not in html
    assert "https:" not in html
    assert "url(" not in html
    assert "nan" not in html.lower()
    for name in ("Loss", "Accuracy"):
        assert f"<h2>{name}</h2>" in html
    lines = re.findall(r'<polyline class="(train|valid)" points="([^"]*)"', html)
    assert [style for style, _ in lines] == ["train", "valid", "train", "valid"]
    assert all(len(points.split()) == num_epochs for _, points in lines)
    assert f"{62.5 + (num_epochs - 1) / 10:.2f} %" in html


def test_text_from_the_data_is_escaped() -> None:
    html = _report(2)
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;") >= 5


def test_classes_have_their_precision_and_recall() -> None:
    html = _report(1)
    rows = [re.sub(r"<[^>]*>", " ", row).split() for row in re.findall(r"<tr><td>b<.*?</tr>", html)]
    assert rows[0] == ["b", "1,236", "99.9", "%", "99.8", "%"]
    assert ["never", "0", "–", "–"] in [  # noqa: RUF001
        re.sub(r"<[^>]*>", " ", row).split() for row in re.findall(r"<tr><td>never<.*?</tr>", html)
    ]


def test_points_stay_within_the_chart() -> None:
    for values in ([0.0], [0.0, 0.0], [3.0, 0.1, 7.5], [1e-9, 1e-8]):
        chart = make_chart("Loss", [("a", "train", values)], percent=False)
        for point in chart.lines[0].points.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 640
            assert 0 <= y <= 240
        assert len({x for x, _ in chart.x_ticks}) == len(chart.x_ticks)
