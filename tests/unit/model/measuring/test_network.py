"""A network is measured on the held-out rows, with a baseline on the same ones where that is asked for."""

from typing import Any

import numpy as np
import torch
from sklearn.metrics import confusion_matrix

from model.measuring.network import measure_network
from pipeline.dataset.manifest import VALID, read_manifest
from pipeline.dataset.shards import open_codes, open_labels
from tests.datasets import shared_dataset


class _ByLetter(torch.nn.Module):
    """Classes by a text's second letter, which tells some of them."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(256, 3)

    def forward(self, codes_BL: torch.Tensor) -> torch.Tensor:
        logits_BK: torch.Tensor = self.table(codes_BL[:, 1].long())
        return logits_BK


def test_all_is_of_the_held_out_rows_and_remarks_are_passed_on() -> None:
    dataset = shared_dataset()
    manifest = read_manifest(dataset)
    torch.manual_seed(0)
    network = _ByLetter().train()
    notes: list[tuple[str, dict[str, Any]]] = []

    def note(text: str, **values: Any) -> None:
        notes.append((text, values))

    plain, beside = (
        measure_network(
            dataset, manifest, network, torch.device("cpu"), with_baseline=with_baseline, num_threads=1, note=note
        )
        for with_baseline in (False, True)
    )
    assert not network.training
    shards = [shard for shard in manifest.shards if shard.split == VALID]
    label_ids_N = np.concatenate([open_labels(dataset, shard) for shard in shards])
    codes_NL = np.concatenate([open_codes(dataset, shard) for shard in shards])
    predicted_N = network.table.weight.detach().numpy()[codes_NL[:, 1]].argmax(1)
    assert plain.confusion == confusion_matrix(label_ids_N, predicted_N).tolist()
    assert plain.baseline is None
    assert beside.baseline is not None
    assert beside.baseline.accuracy.share > 0.9 > plain.accuracy.share
    assert [(layer.name, layer.parameters) for layer in plain.layers] == [("table", 3 * 256)]
    assert notes == []
