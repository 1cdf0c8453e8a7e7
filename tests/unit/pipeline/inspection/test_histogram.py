"""Histograms of a split are those of its rows."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.dataset.manifest import TRAIN, VALID
from pipeline.dataset.shards import open_codes, open_labels
from pipeline.inspection.histogram import character_names, count_classes, count_split
from pipeline.text.alphabet import PROFILES, get_profile
from tests.building import build
from tests.datasets import make_csv


@pytest.mark.parametrize("profile", list(PROFILES))
def test_counts_are_those_of_the_rows(tmp_path: Path, profile: str) -> None:
    csv = make_csv(tmp_path / "in.csv", 60)
    csv.write_text(csv.read_text().replace("title", "text"), encoding="utf-8")
    folder, manifest = build(tmp_path / "built", [csv], profile=get_profile(profile, 33))
    fill = manifest.profile.fill
    for split in (TRAIN, VALID):
        shards = [shard for shard in manifest.shards if shard.split == split]
        codes_NL = np.concatenate([open_codes(folder, shard) for shard in shards])
        got = count_split(folder, manifest, split, block_rows=4)
        lengths = (codes_NL != fill).sum(1)
        assert got.lengths.tolist() == [(lengths == length).sum() for length in range(34)]
        assert got.codes.tolist() == np.bincount(codes_NL[codes_NL != fill], minlength=256).tolist()
        labels = np.concatenate([open_labels(folder, shard) for shard in shards])
        assert count_classes(folder, manifest, split).tolist() == [(labels == index).sum() for index in range(3)]


def test_every_code_but_the_fill_has_a_name_of_its_own() -> None:
    for profile in PROFILES.values():
        assert len(set(character_names(profile))) == profile.fill
    names = character_names(PROFILES["bytes"])
    assert (names[ord("a")], names[9], names[0xE2]) == ("a", "0x09", "0xe2")
