"""The demo job: the other jobs one after another, on the titles that are there."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jobs import encode, fetch, train
from jobs.cli.flags import CommonConfig
from jobs.demo import DemoConfig, render, run
from pipeline.errors import MissingError, UsageError
from tests.datasets import shrink_ngram, titles, write_csv

Capsys = pytest.CaptureFixture[str]


def test_titles_are_encoded_trained_on_and_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train.run
    monkeypatch.setattr(train, "run", lambda config: whole(replace(config, epochs=1, baseline="none")))
    shrink_ngram(monkeypatch)
    monkeypatch.setenv("AGNEWS_DIR", str(tmp_path))
    write_csv(tmp_path / "train.csv", [(*row, "more") for row in titles(300)], header="")
    report = run(DemoConfig(out=tmp_path / "out", common=CommonConfig(threads=1)))
    assert (report["rows_in"], report["rows_out"], report["rows_quarantined"]) == (300, 300, 0)
    scores = pl.read_parquet(tmp_path / "out" / "scores.parquet")
    assert len(scores) == report["rows_scored"] > 0
    assert report["accuracy"] == pytest.approx((scores["label"] == scores["prediction"].cast(pl.String)).mean())
    assert re.search(rf"^accuracy on held-out titles +\d.*, {len(scores)} rows\)$", render(report), re.MULTILINE)
    assert all(Path(path).is_file() for path in [report["report"], *report["outputs"]])
    assert f"AG News titles from {tmp_path}/train.csv" in render(report)


def test_without_titles_and_without_a_download_the_sample_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    def fail(_: fetch.FetchConfig) -> Any:
        raise MissingError("nobody listens")

    def stop(config: encode.EncodeConfig) -> Any:
        raise KeyboardInterrupt(*config.csv)

    monkeypatch.delenv("AGNEWS_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fetch, "run", fail)
    monkeypatch.setattr(encode, "run", stop)
    with pytest.raises(KeyboardInterrupt, match=r"^data/demo/sample\.csv"):
        run(DemoConfig())
    assert len(pl.read_csv("data/demo/sample.csv")) == 2000
    assert capsys.readouterr().err.splitlines()[1:] == [
        "no download: nobody listens",
        "1/3 encode 2,000 made-up titles",
    ]


def test_a_folder_without_titles_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGNEWS_DIR", str(tmp_path))
    with pytest.raises(UsageError, match=r"there is no train\.csv in it"):
        run(DemoConfig())


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: encode.EncodeConfig) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setenv("AGNEWS_DIR", str(tmp_path / "titles"))
    (tmp_path / "titles").mkdir()
    write_csv(tmp_path / "titles" / "train.csv", titles(3), header="")
    monkeypatch.setattr(encode, "run", stop)
    out = tmp_path / "mine"
    out.mkdir()
    (out / "scores.parquet").touch()
    with pytest.raises(UsageError, match="not an earlier demo's"):
        run(DemoConfig(out=out))
    with pytest.raises(KeyboardInterrupt):
        run(DemoConfig(out=out, common=CommonConfig(overwrite=True)))
    with pytest.raises(UsageError, match="not an earlier demo's"):
        run(DemoConfig(out=out))  # That it was asked to replace once is no leave for ever.
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(DemoConfig(out=tmp_path / "new"))
    with pytest.raises(UsageError, match="an address and no file; name a folder"):
        run(DemoConfig(out=Path("s3://bucket/x")))
