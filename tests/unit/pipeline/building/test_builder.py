"""Building a dataset: the law's numbers, the same bytes from the same input, and what is kept of a build that failed."""

import gzip
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from pipeline.building.builder import DatasetBuilder
from pipeline.building.output_folder import keep_quarantine
from pipeline.dataset.manifest import read_manifest
from pipeline.dataset.shards import open_codes, open_labels, verify_shards
from pipeline.errors import InputError, LawError
from pipeline.formats.csv.csv_format import CsvFormat
from pipeline.formats.opening import Formats
from pipeline.records import quarantine
from pipeline.records.wanted import Wanted
from pipeline.storage.source import find_sources
from pipeline.text.alphabet import PROFILES
from tests import naive
from tests.building import CONFIG, HASH, RANDOM, build

TITLES = [f"Title number {number}, once" for number in range(60)]


def make_csv(path: Path, titles: list[str], bad: int = 0) -> Path:
    rows = [f'"{title}",{ord(title[13]) % 3}' for title in titles] + ["bad"] * bad
    path.write_text("\n".join(["text,label", *rows]) + "\n")
    return path


def stored(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows_of(folder: Path, split: str) -> list[tuple[str, int, str]]:
    shards = [shard for shard in read_manifest(folder).shards if shard.split == split]
    return [row for shard in shards for row in pl.read_parquet(folder / shard.rows).iter_rows()]


def test_a_dataset_is_what_its_sources_say(tmp_path: Path) -> None:
    first = make_csv(tmp_path / "a.csv", TITLES[:40], bad=2)
    second = make_csv(tmp_path / "b.csv", TITLES[40:])
    folder, manifest = build(tmp_path / "stage", [first, second])

    assert read_manifest(folder) == manifest
    verify_shards(folder, manifest)
    assert [(source.name, source.rows_in, source.rows, source.quarantined) for source in manifest.sources] == [
        ("a.csv", 42, 40, 2),
        ("b.csv", 20, 20, 0),
    ]
    assert manifest.labels == ["0", "1", "2"]
    rows = sorted(rows_of(folder, "train") + rows_of(folder, "valid"))
    assert rows == [
        *(("a.csv", number, title) for number, title in enumerate(TITLES[:40])),
        *(("b.csv", number, title) for number, title in enumerate(TITLES[40:])),
    ]
    for shard in manifest.shards:
        texts = pl.read_parquet(folder / shard.rows)["text"]
        assert open_codes(folder, shard).tolist() == [naive.encode_seed(text, 8) for text in texts]
        assert open_labels(folder, shard).tolist() == [ord(text[13]) % 3 for text in texts]
    assert pl.read_parquet(folder / "quarantine.parquet")["record"].to_list() == [40, 41]


@pytest.mark.parametrize("split", [HASH, RANDOM, replace(RANDOM, stratify=True)], ids=str)
def test_the_same_input_gives_the_same_bytes(tmp_path: Path, split: object) -> None:
    source = make_csv(tmp_path / "a.csv", TITLES, bad=1)
    folders = [
        build(tmp_path / name, [source], split=split, num_threads=num_threads)[0]
        for name, num_threads in (("one", 1), ("two", 2))
    ]
    assert stored(folders[0]) == stored(folders[1])


def test_appended_files_keep_the_sides_of_earlier_ones(tmp_path: Path) -> None:
    first = make_csv(tmp_path / "a.csv", TITLES[:30])
    second = make_csv(tmp_path / "b.csv", [*TITLES[30:], *TITLES[:5]])
    before, _ = build(tmp_path / "before", [first])
    after, _ = build(tmp_path / "after", [first, second])

    for split in ("train", "valid"):
        assert [row for row in rows_of(after, split) if row[0] == "a.csv"] == rows_of(before, split)
    assert not {row[2] for row in rows_of(after, "train")} & {row[2] for row in rows_of(after, "valid")}


def test_no_quarantine_file_where_nothing_was_quarantined(tmp_path: Path) -> None:
    folder, _ = build(tmp_path / "stage", [make_csv(tmp_path / "a.csv", TITLES)])
    assert "quarantine.parquet" not in stored(folder)


def test_class_ids_do_not_depend_on_which_file_comes_first(tmp_path: Path) -> None:
    sources = [make_csv(tmp_path / f"{number}.csv", TITLES[number : number + 1]) for number in (0, 10)]
    labels = [build(tmp_path / str(step), sources[::step])[1].labels for step in (1, -1)]
    assert labels[0] == labels[1]


def start(tmp_path: Path, source: Path) -> DatasetBuilder:
    (tmp_path / "stage").mkdir()
    builder = DatasetBuilder(CONFIG, Formats(), tmp_path / "stage")
    builder.read(find_sources([str(source)])[0], lambda _: None)
    return builder


def test_too_much_quarantined_keeps_the_quarantine_and_publishes_nothing(tmp_path: Path) -> None:
    builder = start(tmp_path, make_csv(tmp_path / "a.csv", TITLES[:8], bad=1))
    with pytest.raises(InputError, match="1 of 9 records"):
        builder.finish()
    kept = keep_quarantine(builder.quarantine, tmp_path / "out")
    assert kept == tmp_path / "out" / "quarantine.parquet"
    assert pl.read_parquet(kept)["raw"].to_list() == [b"bad"]
    assert sorted(stored(tmp_path / "out")) == ["quarantine.parquet"]


def test_a_quarantine_is_whole_even_if_the_input_breaks_off(tmp_path: Path) -> None:
    builder = start(tmp_path, make_csv(tmp_path / "a.csv", TITLES, bad=2))
    broken = tmp_path / "b.csv.gz"
    broken.write_bytes(gzip.compress(b"text,label\na,b\n")[:-4])
    with pytest.raises(InputError, match="cut off"):
        builder.read(find_sources([str(broken)])[0], lambda _: None)
    kept = keep_quarantine(builder.quarantine, tmp_path / "out")
    assert kept is not None
    assert pl.read_parquet(kept)["raw"].to_list() == [b"bad"] * 2


def test_a_quarantine_is_kept_beside_a_dataset_that_is_there(tmp_path: Path) -> None:
    folder, _ = build(tmp_path / "earlier", [make_csv(tmp_path / "a.csv", TITLES)])
    before = stored(folder)
    builder = start(tmp_path, make_csv(tmp_path / "b.csv", TITLES[:1], bad=5))
    with pytest.raises(InputError):
        builder.finish()
    kept = keep_quarantine(builder.quarantine, folder)
    assert kept == folder.with_name("dataset.quarantine.parquet")
    assert kept.exists()
    assert stored(folder) == before


def test_nothing_quarantined_nothing_kept(tmp_path: Path) -> None:
    builder = start(tmp_path, make_csv(tmp_path / "a.csv", []))
    with pytest.raises(InputError, match="no row to encode, there is only a header"):
        builder.finish()
    assert keep_quarantine(builder.quarantine, tmp_path / "out") is None
    assert not (tmp_path / "out").exists()


def test_all_quarantined_is_no_dataset_whatever_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="all 3 records went to quarantine"):
        build(tmp_path / "stage", [make_csv(tmp_path / "a.csv", [], bad=3)], max_quarantined=1.0)


def test_a_lost_row_breaks_the_law(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine.QuarantineWriter, "write", lambda self, rejects: None)
    with pytest.raises(LawError):
        build(tmp_path / "stage", [make_csv(tmp_path / "a.csv", TITLES, bad=1)])
    assert not list(tmp_path.rglob("manifest.json"))


def test_real_titles(tmp_path: Path, agnews: Path) -> None:
    _, manifest = build(
        tmp_path / "stage",
        [agnews],
        formats=Formats(csv=CsvFormat(columns=["label", "title", "description"])),
        wanted=Wanted(label="label", text=["title"]),
        profile=PROFILES["seed"],
        shard_rows=65_536,
        num_threads=2,
    )
    assert manifest.labels == ["1", "2", "3", "4"]
    assert manifest.num_rows("train") + manifest.num_rows("valid") == manifest.sources[0].rows_in > 10_000
    assert abs(manifest.num_rows("valid") / manifest.sources[0].rows_in - HASH.valid_fraction) < 0.01
