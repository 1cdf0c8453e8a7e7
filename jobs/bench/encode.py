"""Encoding beside its peers, and beside what any of them must do at least."""

import csv
import hashlib
import os
import re
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from jobs import encode
from jobs.bench.data import Data, make_data
from jobs.bench.setup import Setup, ready
from jobs.bench.timing import Contestant, Section, Work

ARTICLE_ROWS = 5_000
"""Rows that the article's Python encodes at most: it takes a while for each."""

_ALPHABET = "abcdefghijklmnopqrstuvwxyz "
_LENGTH = 64


def encode_sections(setup: Setup) -> list[Section]:
    """CSV to published shards."""
    data, rows, folder = setup.data, setup.data.num_rows, setup.folder / "encoded"
    job = encode.EncodeConfig((str(data.path),), out=folder, reading=data.reading, common=setup.common)
    article_job = replace(job, out=setup.folder / "encoded-seed", profile="seed")
    few = make_data(data.kind, setup.folder / "few.csv", min(ARTICLE_ROWS, rows))
    pyarrow, article = ready(_read_pyarrow, data, setup.num_threads), ready(encode_as_article, few)
    write = partial(_prepare_write, folder / "0", setup.folder / "written")
    contestants = [
        Contestant("jobs.encode, CSV to published shards", "ours", rows, partial(_prepare_encode, job)),
        Contestant("jobs.encode --profile seed, as the article", "ours", rows, partial(_prepare_encode, article_job)),
        Contestant("polars.read_csv alone", "peer", rows, ready(read_polars, data)),
        Contestant("pyarrow.csv alone", "peer", rows, pyarrow, needs=("pyarrow",)),
        Contestant(f"the article's Python, CSV to one-hot, {few.num_rows:,} rows", "peer", few.num_rows, article),
        Contestant("file read alone", "ceiling", rows, ready(data.path.read_bytes)),
        Contestant("memcpy of the file's bytes", "ceiling", rows, partial(_prepare_copy, data.path)),
        Contestant("SHA-256 of the file", "ceiling", rows, ready(_hash, data.path)),
        Contestant("write and fsync of the dataset's bytes", "ceiling", rows, write),
    ]
    return [setup.section("encode", f"encode, {data.title}, {rows:,} rows", contestants)]


def _prepare_encode(job: encode.EncodeConfig) -> Work:
    """Each call writes into a new folder: removing an earlier dataset is no part of the task."""
    numbers = count()
    return lambda: encode.run(replace(job, out=job.out / str(next(numbers))))


def read_polars(data: Data) -> object:
    """Read a whole CSV, all columns, into a frame."""
    import polars as pl

    return pl.read_csv(data.path, has_header=data.has_header)


def _read_pyarrow(data: Data, num_threads: int) -> object:
    import pyarrow as pa
    import pyarrow.csv as pacsv

    pa.set_cpu_count(num_threads)
    return pacsv.read_csv(
        data.path, read_options=pacsv.ReadOptions(autogenerate_column_names=not data.has_header, use_threads=True)
    )


def encode_as_article(data: Data) -> Any:
    """The article's way from a CSV to its array: a string at a time, regular expressions, a look-up for each character, one-hot, pad.

    Returns:
        float64 [N, 64, 28], as there: padding rows are zero, and the last channel is never set.
    """
    import numpy as np

    with data.path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        if data.has_header:
            next(rows)
        titles = [_clean(row[1]) for row in rows]
    return np.array([_one_hot(title) for title in titles], float)


def _clean(text: str) -> str:
    letters = re.sub(r"[^a-z]", " ", text.lower())
    return re.sub(r" +", " ", letters).strip() + " eos"


def _one_hot(text: str) -> Any:
    import numpy as np

    indices = [_ALPHABET.index(character) for character in text[:_LENGTH]]
    channels = len(_ALPHABET) + 1
    one_hot = np.eye(channels)[np.array(indices)]
    return np.concatenate([one_hot, np.zeros([_LENGTH - len(indices), channels])])


def _prepare_copy(path: Path) -> Work:
    import numpy as np

    source = np.fromfile(path, np.uint8)
    return partial(np.copyto, np.empty_like(source), source)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _prepare_write(dataset: Path, path: Path) -> Work:
    """As many bytes as the dataset has that jobs.encode wrote in its first call, before this one."""
    return partial(_write, path, os.urandom(sum(file.stat().st_size for file in dataset.rglob("*") if file.is_file())))


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
