"""The texts that a run was trained on, by their hashes: `training_texts.npy`, which tells whether rows to score were among them.

There are at most `MOST` hashes, the smallest ones. Where there were more texts, only those whose hash is not above the largest one kept
can be told; hashes being as good as random, these are a fair sample of any texts.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from model.architectures.trained import TRAINING_TEXTS, Model
from model.runs.model_file import read_checked
from pipeline.inspection.duplicate_kernel import Hashes
from pipeline.inspection.text_hashes import HASH_SEED
from pipeline.text.encoder import hash_texts

MOST = 1 << 20
"""8 MiB."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TrainingTexts:
    """What is known of a run's training texts.

    Attributes:
        hashes: uint64 [M], rising: of all texts, or the `most` smallest.
        most: How many there could be.
    """

    hashes: Hashes
    most: int = MOST

    @property
    def is_sample(self) -> bool:
        """Whether there may have been more texts, so that not every text can be told."""
        return len(self.hashes) >= self.most

    def look_up(self, text: pa.LargeStringArray) -> tuple[Flags, Flags]:
        """Tell which texts can be told, bool [N], and which of them training had, bool [N]."""
        hashes_N = hash_texts(text, HASH_SEED)
        places_N = np.searchsorted(self.hashes, hashes_N)
        is_seen_N = np.zeros(len(hashes_N), np.bool_)
        inside_N = places_N < len(self.hashes)
        is_seen_N[inside_N] = self.hashes[places_N[inside_N]] == hashes_N[inside_N]
        return inside_N if self.is_sample else np.ones_like(inside_N), is_seen_N

    def to_bytes(self) -> bytes:
        """The bytes of `training_texts.npy`."""
        file = io.BytesIO()
        np.lib.format.write_array(file, self.hashes.astype("<u8", copy=False))
        return file.getvalue()


def read_training_texts(run: Path, model: Model) -> TrainingTexts:
    """Read what a run says of its training texts, and check it against `model.json`.

    Raises:
        InputError: The file is missing, cut off or altered.
    """
    what = "the hashes of the training texts are"
    data = read_checked(
        run / TRAINING_TEXTS,
        model.texts_bytes,
        model.texts_sha256,
        missing=f"{what} missing",
        corrupt=f"{what} corrupt",
    )
    return TrainingTexts(np.load(io.BytesIO(data)))
