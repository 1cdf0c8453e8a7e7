"""The encoding of one block, which needs nothing but the block, so that any thread or process can do it."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from pipeline.building.conflicts import KnownTexts
from pipeline.building.labels import LocalLabels, local_labels
from pipeline.building.split import Arrange
from pipeline.dataset.shards import ROWS_SCHEMA
from pipeline.records.quarantine import CONFLICTING_LABEL, Reject
from pipeline.records.row_reader import ScannedBlock
from pipeline.records.rows import LABEL, RECORD, TEXT, Place
from pipeline.text.alphabet import Codes
from pipeline.text.encode_kernel import Hashes
from pipeline.text.encoder import Encoder, hash_texts, to_strings


@dataclass(frozen=True, kw_only=True)
class EncodedBlock:
    """An encoded block, its rows in the order in which the splitter deals them.

    Attributes:
        codes: uint8 [N, L].
        labels: Of N rows.
        hashes: Of their texts with the split's seed, uint64 [N].
        rows: N rows of `ROWS_SCHEMA`.
        num_train: How many of the rows, the first ones, are to train from; the others are held out.
        rejects: In the order of their records.
        unknown_labels: See `RowBlock`.
        num_records: Rows and rejects together, counted when the block was scanned.
        end: Where the next block begins.
    """

    codes: Codes
    labels: LocalLabels
    hashes: Hashes
    rows: pa.Table
    num_train: int
    rejects: list[Reject]
    unknown_labels: Mapping[str, int]
    num_records: int
    end: Place


@dataclass(frozen=True)
class BlockEncoder:
    """Encodes the rows of a scanned block; can be pickled.

    Attributes:
        source: The name of what the blocks come from.
        encoder: For the text.
        arrange: Says which rows are held out.
        seed: Of the texts' hashes.
        known: Rows of a text that is known with another label are rejected; None where they are not.
    """

    source: str
    encoder: Encoder
    arrange: Arrange
    seed: int
    known: KnownTexts | None = None

    def __call__(self, scanned: ScannedBlock) -> EncodedBlock:
        """Clean, encode and arrange the rows of a block."""
        block = scanned.rows()
        frame, rejects = block.frame, block.rejects
        text, labels = to_strings(frame[TEXT]), local_labels(frame[LABEL])
        hashes = hash_texts(text, self.seed)
        if self.known is not None and (is_conflict := self.known.conflicting(hashes, labels)).any():
            conflicting, frame = frame.filter(pl.Series(is_conflict)), frame.filter(pl.Series(~is_conflict))
            reasons = dict.fromkeys(conflicting[RECORD].to_list(), CONFLICTING_LABEL)
            rejects = sorted([*rejects, *scanned.rejects(reasons)], key=lambda reject: reject.record)
            text, labels, hashes = to_strings(frame[TEXT]), local_labels(frame[LABEL]), hashes[~is_conflict]
        record = frame[RECORD].to_numpy()
        order, num_train = self.arrange(hashes)
        if order is not None:
            text, record, labels = text.take(pa.array(order)), record[order], labels.take(order)
            hashes = hashes[order]
        return EncodedBlock(
            codes=self.encoder.encode(text),
            labels=labels,
            hashes=hashes,
            rows=pa.table(
                [pa.repeat(pa.scalar(self.source, pa.string()), len(text)), record, text],
                schema=ROWS_SCHEMA,
            ),
            num_train=num_train,
            rejects=rejects,
            unknown_labels=block.unknown_labels,
            num_records=block.num_records,
            end=block.end,
        )
