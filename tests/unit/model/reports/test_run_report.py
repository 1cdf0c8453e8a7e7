"""The report: one file that opens offline, shows what the run's files say, and cannot be written to by the data."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec import structs

from model.architectures.charcnn.config import CharCnnConfig
from model.reports.comparison import different_settings, names_apart, render_comparison
from model.reports.run_report import class_figures, render_report
from model.reports.words import percent, shorten, threshold, visible
from pipeline.errors import UsageError
from tests.records import EVIL, NASTY, make_evaluation, make_labels, make_record

VOID = {"meta", "br", "hr", "img", "link"}
STEERING = re.compile("[\u202a-\u202e\u2066-\u2069\u2028\u2029\u200f\x00\x1b\ud800]")


class Page(HTMLParser):
    """Fails on a tag that is not closed, and collects text, tables and what would be loaded or run."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.loads: list[tuple[str, str | None]] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self.feed(html.decode())
        assert not self.open

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
            if name in {"src", "href", "xlink:href"} or name.startswith("on"):
                self.loads.append((name, value))
            assert value is None or not re.search(r"\bnan\b|\binf\b", value, re.IGNORECASE), (tag, name, value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def require_harmless(html: bytes, page: Page) -> None:
    assert not page.loads
    assert not page.seen & {"script", "link", "img", "iframe", "object", "form"}
    for word in (b"http:", b"https:", b"url(", b"@import", b"<script"):
        assert word not in html
    assert not STEERING.search(html.decode())
    assert b"default-src 'none'" in html


@pytest.mark.parametrize(("num_epochs", "num_classes"), [(1, 2), (2, 9), (99, 45), (3, 61)])
def test_it_is_whole_opens_offline_and_the_data_cannot_write_to_it(num_epochs: int, num_classes: int) -> None:
    html = render_report(make_record(num_epochs, num_classes, name="".join(NASTY), config={"note": EVIL}))
    page = Page(html)
    require_harmless(html, page)
    assert page.text.count(EVIL) > 5
    assert html == render_report(make_record(num_epochs, num_classes, name="".join(NASTY), config={"note": EVIL}))
    for style in ("s1", "s2"):
        lines = re.findall(rf'<polyline class="{style}" points="([^"]*)"', html.decode())
        assert sum(len(points.split()) == num_epochs for points in lines) >= 2 * (num_epochs > 1)
    assert (b'd="M' in html) == (num_classes <= 60)


def test_every_figure_of_the_run_is_on_the_page() -> None:
    record = make_record(5, 9)
    evaluation = record.evaluation
    assert evaluation is not None
    page = Page(render_report(record))
    accuracy = percent(evaluation.accuracy)
    for shown in (
        accuracy,
        "80.01 %",
        "a plain baseline",
        f"{evaluation.rows_valid:,}",
        "46,982",
        "1.23 %",
        "8.76 %",
        "1.3456",
        "--min-confidence 0.4356",
        "56.44 % of the rows are kept, and 95.01 % of those are right",
        "No threshold reaches 99 %",
        f"training {record.history[-1]['train_loss']:.4f}, held out {record.history[-1]['valid_loss']:.4f}",
        "All 64 codes are taken by 321 training rows",
        record.model.fingerprint,
        record.model.dataset_fingerprint,
        record.model.profile.fingerprint,
        "record 1,003",
    ):
        assert shown in page.text, shown
    assert ["whose codes training had", "99", "97.53 %"] in page.rows
    assert ["without those", f"{evaluation.rows_valid - 99:,}", "83.97 %"] in page.rows
    assert ["conv_1", "Conv1d", "32 x 64", "4,512"] in page.rows
    assert ["shuffle", "false"] in page.rows
    assert ["class 7", "]]><!--", "18", "1.4 %"] in page.rows
    for figures in class_figures(evaluation.labels, evaluation.confusion):
        row = [f"{figures['rows']:,}", percent(figures["precision"], 1), percent(figures["recall"], 1)]
        assert [shorten(figures["label"], 200), *row] in page.rows
    assert ["class 8", "0", "\u2013", "\u2013"] in page.rows


def test_precision_is_of_the_predicted_and_recall_of_the_true() -> None:
    first, never = class_figures(["a", "never"], [[5, 0], [2, 0]])
    assert first == {"label": "a", "rows": 5, "recall": 1.0, "precision": 5 / 7}
    assert (never["rows"], never["recall"], never["precision"]) == (2, 0.0, None)


def test_targets_that_need_no_threshold_and_a_run_without_a_mistake_are_said() -> None:
    record = make_record()
    evaluation = record.evaluation
    assert evaluation is not None
    reached = evaluation.targets[0].reached
    assert reached is not None
    target = structs.replace(evaluation.targets[0], reached=structs.replace(reached, coverage=1.0, accuracy=0.97))
    evaluation = structs.replace(evaluation, targets=[target], mistakes=[], baseline=None, characters=[("a", 0)])
    text = Page(render_report(replace(record, evaluation=evaluation))).text
    assert "95 % is reached without a threshold: 97.00 % of all rows are right" in text
    assert "--min-confidence" not in text
    assert "every held-out row is classified correctly" in text
    assert "none was asked for" in text


@pytest.mark.parametrize(("best_by", "epoch"), [("loss", 2), ("accuracy", 3), ("", 5)])
def test_a_run_that_kept_its_best_epoch_says_which(best_by: str, epoch: int) -> None:
    losses, accuracies = (0.9, 0.5, 0.6, 0.5, 0.8), (0.1, 0.7, 0.8, 0.8, 0.2)
    record = make_record(5, evaluation=None, config={"best_by": best_by} if best_by else {})
    lines = zip(record.history, losses, accuracies, strict=True)
    history = [line | {"valid_loss": loss, "valid_accuracy": accuracy} for line, loss, accuracy in lines]
    record = replace(record, history=history)
    text = Page(render_report(record)).text
    assert record.weights_epoch == epoch - 1
    assert record.accuracy == accuracies[epoch - 1]
    assert (f"the weights are those of epoch {epoch}, the best one by held-out {best_by}" in text) == bool(best_by)


def test_a_run_of_an_earlier_charmill_shows_what_it_has() -> None:
    record = make_record(4, evaluation=None)
    page = Page(render_report(record))
    assert percent(record.history[-1]["valid_accuracy"]) in page.text
    assert "There is no evaluation.json in this run" in page.text
    assert "Configuration" in page.text


def test_a_loss_that_is_no_number_is_a_gap() -> None:
    record = make_record(6)
    history = [
        line | {"valid_loss": {2: float("nan"), 4: float("inf")}.get(line["epoch"], 1.0)} for line in record.history
    ]
    html = render_report(replace(record, history=history)).decode()
    Page(html.encode())
    lines = re.findall(r'<polyline class="s1" points="([^"]*)"', html)
    assert len(lines[0].split()) == 2
    html = render_report(replace(record, history=[line | {"valid_loss": float("nan")} for line in history])).decode()
    assert "held out \u2013" in Page(html.encode()).text


def test_a_page_stays_light_with_a_thousand_classes() -> None:
    assert len(render_report(make_record(99, 1000))) < 200_000
    assert len(render_report(make_record(99, 60))) < 200_000


@pytest.mark.parametrize("text", NASTY)
def test_nothing_in_a_text_steers(text: str) -> None:
    shown = visible(text)
    assert not STEERING.search(shown)
    assert shown.encode()
    assert visible(shown) == shown
    for most in (5, 30):
        assert len(shorten(text, most)) <= most


def test_what_is_visible_already_stays_as_it_is() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467 na\u00efve e\u0301 \u05e9\u05dc\u05d5\u05dd"
    assert visible(family) == family
    assert visible("a\tb\u202e") == "a\u2409b\u27e8U+202E\u27e9"


def test_a_threshold_is_given_to_the_last_bit_of_a_float32() -> None:
    import numpy as np

    for value in np.random.default_rng(0).random(200, dtype=np.float32):
        assert np.float32(threshold(float(value))) == value


def test_runs_are_laid_beside_each_other() -> None:
    names = [f"{letter}{EVIL}{NASTY[1]}" for letter in "xyz"]
    records = [
        make_record(
            3 + 2 * index,
            name=name,
            lr=10.0**-index,
            config={"lr": 10.0**-index, "optimizer": ["adam", "sgd", "sgd"][index]},
        )
        for index, name in enumerate(names)
    ]
    html = render_comparison(records)
    page = Page(html)
    require_harmless(html, page)
    assert html == render_comparison(records)
    header, *rows = page.rows
    assert len(rows) == 3
    assert header.count("lr") == header.count("optimizer") == header.count("epochs") == 1
    assert not {"shuffle", "arch"} & set(header)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    assert columns["optimizer"] == ("adam", "sgd", "sgd")
    assert columns["lr"] == ("1.0", "0.1", "0.01")
    assert columns["epochs"] == ("3", "5", "7")
    assert columns["baseline"] == ("80.01 %",) * 3
    assert columns["run"] == tuple(f"{letter} {shorten(name, 60)}" for letter, name in zip("ABC", names, strict=True))
    assert "logarithmic" in page.text
    assert "different datasets" not in page.text
    for index in range(3):
        lines = re.findall(rf'<polyline class="s{index + 1}" points="([^"]*)"', html.decode())
        # Four charts by epoch, four by seconds.
        assert sum(len(points.split()) == 3 + 2 * index for points in lines) == 8


def test_other_datasets_and_missing_evaluations_are_said_aloud() -> None:
    record = make_record()
    other = replace(record, name="other", model=replace(record.model, dataset_fingerprint="beef" * 4), evaluation=None)
    page = Page(render_comparison([record, other]))
    assert "different datasets, so their accuracies and losses cannot be compared" in page.text
    assert f"A: dataset {record.model.dataset_fingerprint}; B: dataset {'beef' * 4}" in page.text
    assert "No evaluation.json in other" in page.text
    assert "Reliability" in page.text
    assert "Reliability" not in Page(render_comparison([other, replace(other, name="third")])).text


def test_only_what_differs_is_a_column() -> None:
    record = make_record()
    assert different_settings([record, record]) == {}
    wider = replace(record, model=replace(record.model, architecture=CharCnnConfig(hidden=65)))
    fewer = replace(record, config={"recipe": "default", "epochs": 1, "baseline": "none"})
    different = different_settings([record, wider, fewer])
    assert different["hidden"] == [64, 65, 64]
    assert different["lr"] == [0.0001, 0.0001, "\u2013"]
    assert not {"recipe", "epochs", "baseline"} & different.keys()


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a/run", "b/run", "c")]
    assert names_apart(folders) == ["a/run", "b/run", "c"]
    with pytest.raises(UsageError, match="this run is given twice"):
        names_apart([*folders, folders[0] / ".." / "run"])


def test_labels_of_the_evaluation_are_all_there() -> None:
    labels = make_labels(70)
    text = Page(render_report(replace(make_record(2, 70), evaluation=make_evaluation(labels)))).text
    for label in labels:
        assert shorten(label, 200) in text
