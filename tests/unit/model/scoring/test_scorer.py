"""What a scores file holds, and when there is none."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.cli.reading_flags import ReadingConfig
from jobs.cli.scoring_flags import ScoringConfig
from jobs.score import ScoreConfig
from jobs.score import run as score
from model.runs.model_file import read_model
from pipeline.errors import InputError, UsageError
from tests.datasets import LABELS, QUIET, shared_run, titles, write_csv

ROWS = [(f"id-{row}", label, title) for row, (label, title) in enumerate(titles(200, seed=9))]


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "in.csv", ROWS, header="id,kind,title")


def _score(csv: Path, out: Path, *, overwrite: bool = False, **flags: Any) -> dict[str, Any]:
    reading = ReadingConfig(
        text="title", **{key: flags.pop(key) for key in ("columns", "max_quarantined") if key in flags}
    )
    common = type(QUIET)(threads=1, overwrite=overwrite)
    return score(
        ScoreConfig(
            (str(csv),), run=shared_run(), out=out, reading=reading, common=common, scoring=ScoringConfig(**flags)
        )
    )


def test_the_columns_and_their_types(tmp_path: Path) -> None:
    # The model knows no word of every tenth title.
    rows = [(*row[:2], f"quartz {index}" if index % 10 == 0 else row[2]) for index, row in enumerate(ROWS)]
    csv, out = write_csv(tmp_path / "in.csv", rows, header="id,kind,title"), tmp_path / "scores.parquet"
    report = _score(csv, out, keep="id,kind", label="kind", probabilities="list", min_confidence=0.9)
    schema = pq.read_schema(out)
    assert schema.names == [
        "record", "id", "kind", "label", "prediction", "confidence", "probabilities", "abstained",
    ]  # fmt: skip
    assert schema.field("record").type == pa.int64()
    assert pa.types.is_dictionary(schema.field("prediction").type)
    assert schema.field("prediction").type.value_type == pa.string()
    assert schema.field("confidence").type == pa.float32()
    kind = schema.field("probabilities").type
    assert pa.types.is_fixed_size_list(kind)
    assert (kind.list_size, kind.value_type) == (len(LABELS), pa.float32())
    assert schema.field("abstained").type == pa.bool_()
    table = pq.read_table(out)
    assert table["record"].to_pylist() == list(range(200))
    assert table["id"].to_pylist() == [row[0] for row in ROWS]
    assert table["label"].to_pylist() == table["kind"].to_pylist() == [row[1] for row in ROWS]
    probabilities = np.array(table["probabilities"].to_pylist(), np.float32)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    confidence = table["confidence"].to_numpy()
    np.testing.assert_array_equal(probabilities.max(axis=1), confidence)
    labels = read_model(shared_run()).labels
    assert table["prediction"].to_pylist() == [labels[index] for index in probabilities.argmax(axis=1)]
    assert table["abstained"].to_pylist() == (confidence < np.float32(0.9)).tolist()
    assert 0 < report["rows_abstained"] == sum(table["abstained"].to_pylist()) < 200
    correct = [a == b for a, b in zip(table["prediction"].to_pylist(), table["label"].to_pylist(), strict=True)]
    assert report["accuracy"] == sum(correct) / 200 > 0.8
    kept = [right for right, one in zip(correct, confidence, strict=True) if one >= np.float32(0.9)]
    assert report["accuracy_kept"] == sum(kept) / len(kept) != report["accuracy"]
    frame = pl.read_parquet(out)
    assert frame["prediction"].to_list() == table["prediction"].to_pylist()
    assert frame["probabilities"].dtype == pl.Array(pl.Float32, len(LABELS))


def test_without_flags_there_are_three_columns(csv: Path, tmp_path: Path) -> None:
    report = _score(csv, tmp_path / "scores.parquet")
    assert pq.read_schema(tmp_path / "scores.parquet").names == ["record", "prediction", "confidence"]
    assert not {"accuracy", "rows_abstained"} & set(report)


def test_the_metadata_says_where_it_all_came_from(csv: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    _score(csv, out)
    model = read_model(shared_run())
    assert json.loads(pq.read_metadata(out).metadata[b"charmill"]) == {
        "format_version": 3,
        "rows_in": 200,
        "rows_scored": 200,
        "rows_quarantined": 0,
        "source": {
            "name": "in.csv",
            "bytes": csv.stat().st_size,
            "sha256": hashlib.sha256(csv.read_bytes()).hexdigest(),
            "delimiter": ",",
            "encoding": "utf-8",
        },
        "labels": list(LABELS),
        "model_fingerprint": model.fingerprint,
        "profile_fingerprint": model.profile.fingerprint,
        "label_names": {},
        "engine": "folded on cpu",
        "program_version": version("charmill"),
    }


def test_labels_that_the_model_does_not_know_are_quarantined(tmp_path: Path) -> None:
    rows = [*ROWS[:20], ("x", "minerals", "quartz"), ("y", "", "otter"), *ROWS[20:40]]
    csv = write_csv(tmp_path / "in.csv", rows, header="id,kind,title")
    report = _score(csv, tmp_path / "scores.parquet", label="kind")
    assert report["quarantined"] == {"unknown_label": 1, "blank_label": 1}
    assert (report["rows_in"], report["rows_out"], report["rows_quarantined"]) == (42, 40, 2)
    quarantine = pl.read_parquet(tmp_path / "scores.quarantine.parquet")
    assert quarantine["record"].to_list() == [20, 21]
    assert quarantine["raw"].to_list() == [b"x,minerals,quartz", b"y,,otter"]
    assert _score(csv, tmp_path / "unlabelled.parquet")["rows_quarantined"] == 0


@pytest.mark.parametrize("name", ["record", "prediction", "confidence", "probabilities", "abstained", "label"])
def test_a_kept_column_with_the_name_of_an_output_column_is_refused(name: str, tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "in.csv", [("a", "otter", "animals")], header=f"{name},title,kind")
    flags: dict[str, Any] = {"probabilities": "list", "min_confidence": 0.5, "label": "kind"}
    with pytest.raises(UsageError, match=f"--keep {name}"):
        _score(csv, tmp_path / "scores.parquet", keep=name, **flags)
    assert not list(tmp_path.glob("*.parquet"))


def test_names_that_clash_with_no_output_may_be_kept(tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "in.csv", [("a", "otter", "b")], header="label,title,text")
    _score(csv, tmp_path / "scores.parquet", keep="label,title,text")
    assert pl.read_parquet(tmp_path / "scores.parquet").row(0)[:4] == (0, "a", "otter", "b")


def test_too_much_quarantined_publishes_no_scores_and_keeps_the_quarantine(csv: Path, tmp_path: Path) -> None:
    out, quarantine = tmp_path / "scores.parquet", tmp_path / "scores.quarantine.parquet"
    good = csv.read_bytes()
    csv.write_bytes(good + b"bad\n" * 23)  # Of 223 a little more than a tenth.
    with pytest.raises(InputError, match=rf"23 of 223.*too_few_fields 23.*--max-quarantined 0\.1.*{quarantine}"):
        _score(csv, out)
    assert not out.exists()
    assert len(pl.read_parquet(quarantine)) == 23
    _score(csv, out, max_quarantined=0.11)
    assert pq.read_metadata(out).num_rows == 200
    before = out.read_bytes()
    csv.write_bytes(good + b"bad\n" * 30)
    with pytest.raises(InputError):
        _score(csv, out, overwrite=True)
    assert out.read_bytes() == before
    assert len(pl.read_parquet(tmp_path / "scores.failed.quarantine.parquet")) == 30
    assert len(pl.read_parquet(quarantine)) == 23
    csv.write_bytes(good)
    _score(csv, out, overwrite=True)
    assert not quarantine.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "scores.parquet"]


def test_a_header_alone_gives_a_file_without_rows(tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "in.csv", [], header="kind,title")
    out = tmp_path / "scores.parquet"
    report = _score(csv, out, label="kind", keep="kind", probabilities="list", min_confidence=0.5)
    assert (report["rows_in"], report["rows_out"], report["accuracy"]) == (0, 0, None)
    frame = pl.read_parquet(out)
    assert frame.shape == (0, 7)
    assert frame["probabilities"].dtype == pl.Array(pl.Float32, len(LABELS))
    assert pa.types.is_dictionary(pq.read_table(out)["prediction"].type)


def _score_all(folder: Path, out: Path, names: list[str], **flags: Any) -> dict[str, Any]:
    paths = []
    for name in names:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        paths.append(str(write_csv(path, [row[1:] for row in ROWS[:10]], header="kind,title")))
    common = type(QUIET)(threads=1, overwrite=flags.pop("overwrite", False))
    config = ScoreConfig(tuple(paths), run=shared_run(), out=out, reading=ReadingConfig(text="title"), common=common)
    return score(config)


def test_several_files_go_into_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = _score_all(tmp_path, out, ["a.csv", "b.txt", "c.2024.csv"])
    assert sorted(path.name for path in out.iterdir()) == ["a.parquet", "b.parquet", "c.2024.parquet"]
    assert (report["rows_in"], report["rows_out"]) == (30, 30)
    assert report["outputs"] == [str(out / name) for name in ("a.parquet", "b.parquet", "c.2024.parquet")]
    sources = [
        json.loads(pq.read_metadata(path).metadata[b"charmill"])["source"]["name"] for path in sorted(out.iterdir())
    ]
    assert sources == ["a.csv", "b.txt", "c.2024.csv"]
    with pytest.raises(UsageError, match=r"a\.parquet: it exists already.*--overwrite"):
        _score_all(tmp_path, out, ["a.csv"])
    _score_all(tmp_path, out, ["a.csv"], overwrite=True)


@pytest.mark.parametrize(
    "names", [["a.csv", "sub/a.csv"], ["a.csv", "a.tsv"], ["x.csv", "x.quarantine.csv"], ["x.quarantine.csv", "x.csv"]]
)
def test_files_whose_outputs_would_clash_are_refused(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two CSVs would write it"):
        _score_all(tmp_path, tmp_path / "out", names)
    assert not (tmp_path / "out").exists()


def test_several_files_do_not_go_into_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 CSVs cannot go into one file"):
        _score_all(tmp_path, tmp_path / "out.parquet", ["a.csv", "b.csv"])


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_confidence_is_a_share(share: float, csv: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--min-confidence"):
        _score(csv, tmp_path / "scores.parquet", min_confidence=share)
