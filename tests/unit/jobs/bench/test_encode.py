"""The article's way of encoding, which ours is held against, does what it did there."""

import csv
from pathlib import Path

import numpy as np

from jobs.bench.data import make_data
from jobs.bench.encode import encode_as_article
from tests.naive import encode_seed


def test_the_articles_way_gives_the_codes_of_the_oracle(tmp_path: Path) -> None:
    data = make_data("synthetic", tmp_path / "titles.csv", 50)
    with data.path.open(encoding="utf-8", newline="") as file:
        titles = [title for _, title in csv.reader(file)][1:]
    one_hot_NLC = encode_as_article(data)
    assert one_hot_NLC.shape == (50, 64, 28)
    codes_NL = np.where(one_hot_NLC.any(axis=2), one_hot_NLC.argmax(axis=2), 27)
    assert codes_NL.tolist() == [encode_seed(title) for title in titles]
