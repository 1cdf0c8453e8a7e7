"""Made-up titles are the same each time, and the sample that ships with the project is made of them."""

from pathlib import Path

from pipeline.text.synthetic import LABELS, titles, write_titles
from tests.commands import ROOT


def test_the_sample_is_made_of_them(tmp_path: Path) -> None:
    write_titles(tmp_path / "sample.csv", 2000, seed=1)
    assert (tmp_path / "sample.csv").read_bytes() == (ROOT / "data" / "sample.csv").read_bytes()


def test_a_tenth_of_them_does_not_tell_its_class() -> None:
    rows = list(titles(20_000, seed=2))
    assert {label for label, _ in rows} == set(LABELS)
    labels_of: dict[str, set[str]] = {}
    for label, title in rows:
        labels_of.setdefault(title, set()).add(label)
    assert 0.08 < sum(len(labels_of[title]) > 1 for _, title in rows) / len(rows) < 0.12
