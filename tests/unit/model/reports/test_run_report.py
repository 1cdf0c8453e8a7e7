"""The report: one file that opens offline, shows what the run's files say, and cannot be written to by the data."""

import re
from dataclasses import replace

import pytest
from msgspec import structs

from model.reports.confusion import class_figures
from model.reports.run_report import render_report
from model.reports.svg import NUM_STYLES
from model.reports.words import percent, shorten
from model.runs.accuracy import accuracy_of
from model.runs.evaluation import SourceRows
from tests.records import EVIL, NASTY, make_evaluation, make_labels, make_record
from tests.unit.model.reports.pages import Page, require_harmless


@pytest.mark.parametrize(("num_epochs", "num_classes"), [(1, 2), (2, 9), (99, 45), (3, 61)])
def test_it_is_whole_opens_offline_and_the_data_cannot_write_to_it(num_epochs: int, num_classes: int) -> None:
    html = render_report(make_record(num_epochs, num_classes, name="".join(NASTY), config={"note": EVIL}))
    page = Page(html)
    require_harmless(html, page)
    assert page.text.count(EVIL) > 5
    assert html == render_report(make_record(num_epochs, num_classes, name="".join(NASTY), config={"note": EVIL}))
    for title in ("Loss by epoch", "Accuracy by epoch"):
        for style in (1, 2):
            paths = [path for path in page.charts[title].iter("path") if f"var(--s{style})" in path.get("style", "")]
            assert [path.get("d", "").count("L") for path in paths] == ([num_epochs - 1, 2] if num_epochs > 1 else [])
    assert len(page.charts) == 6
    assert ('<table class="matrix' in html.decode()) == (num_classes <= 60)


def test_every_figure_of_the_run_is_on_the_page() -> None:
    record = make_record(5, 9)
    evaluation = record.evaluation
    page = Page(render_report(record))
    for shown in (
        percent(evaluation.accuracy.share),
        f"of {evaluation.accuracy.rows:,} held-out rows are classified correctly; 95 % interval {evaluation.accuracy.interval} %",
        "0.8642",
        "80.02 %",
        "78.9 to 81.1 %",
        "Trained 2025-11-24 20:16 UTC on 46,982 rows of data/titles",
        "titles.csv (1,002 rows)",
        "a plain baseline",
        f"{evaluation.rows_valid:,}",
        "46,982",
        "1.23 %",
        "8.76 %",
        "1.3456",
        "--min-confidence 0.4356",
        "56.44 % of the rows are kept, and of those 95.00 % (94.1 to 95.8, 2,500 rows) are right",
        "No threshold reaches 99 %",
        f"training {record.history[-1]['train_loss']:.4f}, held out {record.history[-1]['valid_loss']:.4f}",
        "All 64 codes are taken by 321 training rows",
        record.model.fingerprint,
        record.model.dataset_fingerprint,
        record.model.profile.fingerprint,
        "record 1,003",
    ):
        assert shown in page.text, shown
    assert ["whose codes training had", "99", "97.98 %", "92.9 to 99.4"] in page.rows
    assert ["without those", "5,000", "80.00 %", "78.9 to 81.1"] in page.rows
    assert ["conv_1", "Conv1d", "32 x 64", "4,512"] in page.rows
    assert ["shuffle", "false"] in page.rows
    assert ["class 7", "]]><!--", "18", "1.4 %"] in page.rows
    for figures in class_figures(evaluation.labels, evaluation.confusion):
        row = [f"{figures.rows:,}", percent(figures.precision, 1), percent(figures.recall, 1)]
        assert [shorten(figures.label, 200), *row] in page.rows
    assert ["class 8", "0", "\u2013", "\u2013"] in page.rows
    assert "never recognised" not in page.text
    assert ["class 7", *[""] * 2, "1", *[""] * 2, "3", "18", "1.2k", ""] in page.rows


def test_classes_that_are_never_recognised_are_marked() -> None:
    record = make_record(2, 4)
    evaluation = record.evaluation
    confusion = [[5, 1, 0, 0], [3, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]]
    page = Page(render_report(replace(record, evaluation=structs.replace(evaluation, confusion=confusion))))
    assert "2 of 4 classes are never recognised: none of their rows is classified correctly." in page.text
    marked = [row[0] for row in page.rows if row[0].endswith("never recognised")]
    assert [name.removesuffix(" never recognised") for name in marked] == [
        shorten(label, 200) for label in evaluation.labels[1:3]
    ]


def test_targets_that_need_no_threshold_and_a_run_without_a_mistake_are_said() -> None:
    record = make_record()
    evaluation = record.evaluation
    reached = evaluation.targets[0].reached
    assert reached is not None
    target = structs.replace(
        evaluation.targets[0], reached=structs.replace(reached, coverage=1.0, accuracy=accuracy_of(97, 100))
    )
    evaluation = structs.replace(evaluation, targets=[target], mistakes=[], baseline=None, characters=[("a", 0)])
    text = Page(render_report(replace(record, evaluation=evaluation))).text
    assert "95 % is reached without a threshold: of all rows, 97.00 % (91.5 to 99.0, 100 rows) are right" in text
    assert "--min-confidence" not in text
    assert "every held-out row is classified correctly" in text
    assert "none was asked for" in text


@pytest.mark.parametrize(("best_by", "epoch"), [("loss", 2), ("accuracy", 3), ("", 5)])
def test_a_run_that_kept_its_best_epoch_says_which(best_by: str, epoch: int) -> None:
    losses, accuracies = (0.9, 0.5, 0.6, 0.5, 0.8), (0.1, 0.7, 0.8, 0.8, 0.2)
    record = make_record(5, config={"best_by": best_by} if best_by else {})
    lines = zip(record.history, losses, accuracies, strict=True)
    history = [line | {"valid_loss": loss, "valid_accuracy": accuracy} for line, loss, accuracy in lines]
    record = replace(record, history=history)
    text = Page(render_report(record)).text
    assert record.weights_epoch == epoch - 1
    assert (f"the weights are those of epoch {epoch}, the best one by held-out {best_by}" in text) == bool(best_by)


def test_few_held_out_rows_are_said_aloud() -> None:
    record = make_record(2, 2)
    assert "The accuracy says little" not in Page(render_report(record)).text
    few = structs.replace(record.evaluation, confusion=[[30, 3], [7, 9]], accuracy=accuracy_of(39, 49))
    assert (
        "The accuracy says little: 49 held-out rows are few"
        in Page(render_report(replace(record, evaluation=few))).text
    )


def test_what_the_article_prints_is_there_for_its_recipe_alone() -> None:
    said = "the accuracy on the last batch of training rows instead, which here is 100.00 %"
    assert said in Page(render_report(make_record())).text
    assert "last batch" not in Page(render_report(make_record(config={"recipe": "default"}))).text


def test_many_sources_are_counted() -> None:
    record = make_record()
    sources = [SourceRows(name=f"{name}.csv", rows=7) for name in range(1000)]
    record = replace(record, evaluation=structs.replace(record.evaluation, sources=sources))
    assert "4.csv (7 rows), 995 more (6,965 rows)" in Page(render_report(record)).text


def test_a_loss_that_is_no_number_is_a_gap() -> None:
    record = make_record(6)
    history = [
        line | {"valid_loss": {2: float("nan"), 4: float("inf")}.get(line["epoch"], 1.0)} for line in record.history
    ]
    html = render_report(replace(record, history=history)).decode()
    loss = Page(html.encode()).charts["Loss by epoch"]
    (drawn, _) = (path.get("d", "") for path in loss.iter("path") if "var(--s1)" in path.get("style", ""))
    assert drawn.count("M") == 3
    html = render_report(replace(record, history=[line | {"valid_loss": float("nan")} for line in history])).decode()
    assert "held out \u2013" in Page(html.encode()).text


def test_a_page_stays_light_with_a_thousand_classes() -> None:
    assert len(render_report(make_record(99, 1000))) < 200_000
    assert len(render_report(make_record(99, 60))) < 200_000


def test_labels_of_the_evaluation_are_all_there() -> None:
    labels = make_labels(70)
    text = Page(render_report(replace(make_record(2, 70), evaluation=make_evaluation(labels)))).text
    for label in labels:
        assert shorten(label, 200) in text


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_written_and_drawn_stands_out_in_both_themes(theme: str) -> None:
    css = render_report(make_record()).decode().partition("@media print")[0]
    light, _, dark = css.partition("@media screen")
    colours = dict(re.findall(r"--([\w]+): ([^;]+);", dark if theme == "dark" else light))
    for name in ("text", "soft", "alert"):
        assert contrast(rgb(colours[name]), rgb(colours["paper"])) >= 4.5
    for style in range(1, NUM_STYLES + 1):
        assert contrast(rgb(colours[f"s{style}"]), rgb(colours["paper"])) >= 4.5
    cell, paper = [int(part) for part in colours["cell"].split()], rgb(colours["paper"])
    for shade in range(101):
        mixed = [(part * shade + ground * (100 - shade)) / 100 for part, ground in zip(cell, paper, strict=True)]
        assert contrast(rgb(colours["text"]), mixed) >= 4.5, shade


def rgb(colour: str) -> list[float]:
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]


def contrast(one: list[float], other: list[float]) -> float:
    """As WCAG 2 defines it."""

    def luminance(colour: list[float]) -> float:
        linear = [part / 3294.6 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_tables_to_sort_have_heads_and_nothing_but_figures_in_their_columns() -> None:
    html = render_report(make_record(2, 9)).decode()
    tables = re.findall(r'<table class="sortable">.*?</table>', html, re.DOTALL)
    assert len(tables) == 2
    for table in tables:
        head, _, body = table.partition("</thead>")
        columns = head.count("<th>") + head.count("<th ")
        for row in re.findall("<tr>(.*?)</tr>", body, re.DOTALL):
            cells = re.findall("<td[^>]*>(.*?)</td>", row, re.DOTALL)
            assert len(cells) == columns
            assert all(re.fullmatch(r"[\d,.]+( %)?|\u2013", cell) for cell in cells[-2:])
