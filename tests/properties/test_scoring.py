"""For any bytes at all: rows in = scored + quarantined, in input order, and the same file whatever the reader's blocks are."""

import json
import tempfile
from functools import cache
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.engines.folded import FoldedPredictor
from model.runs.model_file import read_model, read_weights
from model.scoring.columns import ScoreOptions
from model.scoring.part_writer import ScoreReport
from model.scoring.scorer import Scorer
from pipeline.errors import InputError
from pipeline.formats.opening import Formats
from pipeline.records.wanted import Wanted
from pipeline.storage.source import Source
from pipeline.text.encoder import Encoder
from tests.datasets import shared_run


@cache
def _scorer(block_bytes: int) -> Scorer:
    model = read_model(shared_run())
    options = ScoreOptions(
        wanted=Wanted(text=("title",), keep=("id",)),
        probabilities="list",
        max_quarantined=1,
    )
    predictor = FoldedPredictor(model, read_weights(shared_run(), model), num_threads=1)
    return Scorer(model, predictor, options, Formats(block_bytes=block_bytes), num_threads=1)


def _score(folder: Path, data: bytes, block_bytes: int) -> tuple[ScoreReport, dict[str, bytes]]:
    path = folder / "in.csv"
    path.write_bytes(data)
    out = folder / f"{block_bytes}"
    report = _scorer(block_bytes).score(Source(str(path), "in.csv"), out / "scores.parquet", lambda _: None)
    return report, {entry.name: entry.read_bytes() for entry in out.iterdir()}


CHUNKS = st.sampled_from(
    [
        b"1,otter and newt\n",
        b'2,"sedge, clover"\n',
        b'"3","awl\npliers"\r\n',
        b"4,\n",
        b"\n",
        b'"',
        b",",
        b"\xff",
        b"5\n",
        b"\0",
        b"x" * 40,
    ]
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chunks=st.lists(CHUNKS, max_size=30))
def test_the_law_holds_and_blocks_do_not_matter(chunks: list[bytes]) -> None:
    data = b"id,title\n" + b"".join(chunks)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            report, files = _score(folder, data, 1 << 20)
        except InputError as error:
            assert "binary" in str(error) or "not clear" in str(error)  # noqa: PT017
            return
        for block_bytes in (1, 50):
            assert _score(folder, data, block_bytes)[1] == files
        scores = pl.read_parquet(folder / str(1 << 20) / "scores.parquet")
        records = scores["record"].to_list()
        quarantined: list[int] = []
        if report.rows_quarantined:
            quarantined = pl.read_parquet(folder / str(1 << 20) / "scores.quarantine.parquet")["record"].to_list()
        assert records == sorted(records)
        assert sorted(records + quarantined) == list(range(report.rows_in))
        assert len(records) == report.rows_scored
        metadata = json.loads(pq.read_metadata(folder / str(1 << 20) / "scores.parquet").metadata[b"charmill"])
        assert metadata["rows_in"] == metadata["rows_scored"] + metadata["rows_quarantined"] == report.rows_in


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(
        st.tuples(st.text("ab ", max_size=3), st.text('otersdgawl ,"é', min_size=1, max_size=30)), max_size=40
    )
)
def test_scores_stand_beside_the_rows_of_the_csv(rows: list[tuple[str, str]]) -> None:
    """Row by row: record, kept column, and the probabilities that the text has when it is scored alone."""
    fields = [(row_id, '"' + text.replace('"', '""') + '"') for row_id, text in rows]
    data = "\n".join(["id,title", *(f"{row_id},{text}" for row_id, text in fields), ""]).encode()
    model = read_model(shared_run())
    predictor = FoldedPredictor(model, read_weights(shared_run(), model), num_threads=1)
    encoder = Encoder(model.profile)
    with tempfile.TemporaryDirectory() as temporary:
        _score(Path(temporary), data, 50)
        scores = pl.read_parquet(Path(temporary) / "50" / "scores.parquet")
    kept = [(record, row) for record, row in enumerate(rows) if row[1].strip()]
    assert scores["record"].to_list() == [record for record, _ in kept]
    assert scores["id"].to_list() == [row_id for _, (row_id, _) in kept]
    for index, (_, (_, text)) in enumerate(kept[:5]):
        alone = predictor.predict(encoder.encode(pa.array([text], pa.large_string())))[0]
        assert scores["probabilities"][index].to_list() == alone.tolist()
        assert scores["prediction"][index] == model.labels[int(alone.argmax())]
        assert scores["confidence"][index] == alone.max()
