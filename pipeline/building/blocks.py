"""The encoding of one block, which needs nothing but the block, so that any thread or process can do it."""

from dataclasses import dataclass

import pyarrow as pa

from pipeline.building.labels import LocalLabels, local_labels
from pipeline.building.split import Arrange
from pipeline.dataset.shards import ROWS_SCHEMA
from pipeline.records.quarantine import Reject
from pipeline.records.row_reader import ScannedBlock
from pipeline.records.rows import LABEL, RECORD, TEXT, Place
from pipeline.text.alphabet import Codes
from pipeline.text.encoder import Encoder, to_strings


@dataclass(frozen=True, kw_only=True)
class EncodedBlock:
    """An encoded block, its rows in the order in which the splitter deals them.

    Attributes:
        codes: uint8 [N, L].
        labels: Of N rows.
        rows: N rows of `ROWS_SCHEMA`.
        num_train: How many of the rows, the first ones, are to train from; the others are held out.
        rejects: In the order of their records.
        num_records: Rows and rejects together, counted when the block was scanned.
        end: Where the next block begins.
    """

    codes: Codes
    labels: LocalLabels
    rows: pa.Table
    num_train: int
    rejects: list[Reject]
    num_records: int
    end: Place


@dataclass(frozen=True)
class BlockEncoder:
    """Encodes the rows of a scanned block; can be pickled.

    Attributes:
        source: The name of what the blocks come from.
        encoder: For the text.
        arrange: Says which rows are held out.
    """

    source: str
    encoder: Encoder
    arrange: Arrange

    def __call__(self, scanned: ScannedBlock) -> EncodedBlock:
        """Clean, encode and arrange the rows of a block."""
        block = scanned.rows()
        text, record = to_strings(block.frame[TEXT]), block.frame[RECORD].to_numpy()
        labels = local_labels(block.frame[LABEL])
        order, num_train = self.arrange(text)
        if order is not None:
            text, record, labels = text.take(pa.array(order)), record[order], labels.take(order)
        return EncodedBlock(
            codes=self.encoder.encode(text),
            labels=labels,
            rows=pa.table(
                [pa.repeat(pa.scalar(self.source, pa.string()), len(text)), record, text],
                schema=ROWS_SCHEMA,
            ),
            num_train=num_train,
            rejects=block.rejects,
            num_records=block.num_records,
            end=block.end,
        )
