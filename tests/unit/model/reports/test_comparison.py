"""The comparison: what differs is in its tables, and lines of all runs are in the same charts."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from model.architectures.charcnn.config import CharCnnConfig
from model.reports.comparison import different_settings, names_apart, render_comparison
from model.reports.run_report import render_report
from model.reports.words import shorten, source_files
from pipeline.errors import UsageError
from tests.records import EVIL, NASTY, make_labels, make_record
from tests.unit.model.reports.pages import Page, require_harmless


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
    worth, make, data, settings = page.rows[:4], page.rows[4:8], page.rows[8:12], page.rows[12:]
    columns = {
        header: column
        for table in (worth, make, data)
        for header, column in zip(table[0], zip(*table[1:], strict=True), strict=True)
    }
    assert columns["epochs"] == ("3", "5", "7")
    assert columns["baseline"] == ("80.02 %",) * 3
    assert columns["95 % interval"] == (records[0].evaluation.accuracy.interval,) * 3
    assert columns["macro-F1"] == ("0.8642",) * 3
    assert columns["classes"] == ("4",) * 3
    assert columns["rows to train from"] == ("46,982",) * 3
    assert columns["dataset"] == ("data/titles",) * 3
    assert columns["made of"] == (shorten(source_files(records[0].evaluation), 600),) * 3
    assert "titles.csv (1,002 rows)" in columns["made of"][0]
    assert columns["trained"] == ("2025-11-24 20:16 UTC",) * 3
    assert columns["run"] == tuple(f"{letter} {shorten(name, 60)}" for letter, name in zip("ABC", names, strict=True))
    assert settings == [["setting", "A", "B", "C"], ["lr", "1.0", "0.1", "0.01"], ["optimizer", "adam", "sgd", "sgd"]]
    assert "logarithmic" in "".join(page.charts["Learning rate"].itertext())
    assert "different datasets" not in page.text
    assert len(page.charts) == 8
    for style in (1, 2, 3):
        paths = [path for chart in page.charts.values() for path in chart.iter("path")]
        lines = [path.get("d", "") for path in paths if f"stroke: var(--s{style})" in path.get("style", "")]
        # Four charts by epoch and two by seconds, of 3, 5 and 7 epochs; the legend's samples have three points.
        assert sum(line.count("L") == 2 * style for line in lines) == (6 if style > 1 else 6 + 8)


def test_the_table_of_runs_is_sorted_by_figures_as_they_are() -> None:
    record = make_record()
    html = render_comparison(
        [record, replace(record, name="b", evaluation=structs.replace(record.evaluation, baseline=None))]
    ).decode()
    assert f'<td data-name="accuracy" data-key="{record.evaluation.accuracy.share}">' in html
    assert f'<td data-name="weights" data-key="{record.model.weights_bytes}">123.5 kB</td>' in html
    assert '<td data-name="baseline" data-key="">\u2013</td>' in html


def test_other_datasets_are_said_aloud() -> None:
    record = make_record()
    other = replace(record, name="other", model=replace(record.model, dataset_fingerprint="beef" * 4))
    page = Page(render_comparison([record, other]))
    assert "different datasets, so their accuracies and losses cannot be compared" in page.text
    assert f"A: dataset {record.model.dataset_fingerprint}; B: dataset {'beef' * 4}" in page.text
    assert "All settings are the same, but the datasets differ." in page.text
    assert "different classes" not in page.text
    slower = replace(other, config=other.config | {"lr": 0.5})
    assert "all others are the same. The datasets differ as well." in Page(render_comparison([record, slower])).text
    assert "All settings are the same." in Page(render_comparison([record, replace(record, name="same")])).text


def test_other_classes_are_said_aloud() -> None:
    record = make_record()
    labels = [*make_labels(3), "a class of its own"]
    other = replace(record, name="other", model=replace(record.model, labels=labels, dataset_fingerprint="beef" * 4))
    turned = replace(record, name="turned", model=replace(record.model, labels=record.model.labels[::-1]))
    text = Page(render_comparison([record, other, turned])).text
    assert "different classes, so neither their accuracy nor their macro-F1 can be compared. A, C: 4 classes (" in text
    assert "; B: 4 classes (" in text
    assert "a class of its own" in text
    assert "All settings are the same, but the datasets and classes differ." in text
    assert "different classes" not in Page(render_comparison([record, turned])).text


def test_a_table_that_may_be_cut_can_be_scrolled_from_the_keyboard_and_has_a_name() -> None:
    record = make_record()
    other = replace(record, name="other", config=record.config | {"lr": 0.5})
    for html in (render_comparison([record, other]).decode(), render_report(make_record(3, 12)).decode()):
        regions = re.findall(r'<div class="scroll"([^>]*)>', html)
        assert len(regions) >= 4
        assert all(re.fullmatch(r' role="region" tabindex="0" aria-label="\w[^"]+"', region) for region in regions)
        assert len(set(regions)) == len(regions)


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
