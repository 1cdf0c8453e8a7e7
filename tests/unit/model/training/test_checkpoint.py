"""Checkpoints: everything comes back, and nothing damaged is taken."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

from model.training.checkpoint import load_checkpoint, read_progress, save_checkpoint
from model.training.optim import make_optimizer, make_schedule
from model.training.recipe import resolve
from pipeline.errors import InputError, MismatchError

CPU = torch.device("cpu")
PROGRESS = {"history": [{"loss": 0.1 + 0.2}], "dataset": {"epoch": 3}, "label": "été \u2028"}


class _Parts:
    """A network half-way through a training."""

    def __init__(self, width: int = 3) -> None:
        torch.manual_seed(1)
        config = resolve("default", {}, num_train=10, num_valid=10)
        self.network = torch.nn.Linear(width, 2)
        self.optimizer = make_optimizer(config, self.network.parameters())
        self.schedule = make_schedule(config, self.optimizer, 10)

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.network(torch.rand(4, self.network.in_features)).square().sum().backward()
        self.optimizer.step()
        self.schedule.step()

    def save(self, path: Path) -> None:
        save_checkpoint(path, self.network, self.optimizer, self.schedule, CPU, PROGRESS)

    def load(self, path: Path) -> None:
        load_checkpoint(path, self.network, self.optimizer, self.schedule, CPU)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "last.safetensors"
    parts = _Parts()
    parts.step()
    parts.save(path)
    return path


def test_it_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    one, other = _Parts(), _Parts()
    for _ in range(3):
        one.step()
    one.save(path)
    state = torch.get_rng_state()
    one.step()
    expected = torch.rand(3)
    torch.manual_seed(99)
    other.load(path)
    assert torch.equal(torch.get_rng_state(), state)
    other.step()
    assert torch.equal(torch.rand(3), expected)
    for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(a, b)
    assert one.schedule.get_last_lr() == other.schedule.get_last_lr()
    assert read_progress(path) == PROGRESS


def test_the_best_weights_come_back_beside_the_last(path: Path) -> None:
    parts = _Parts()
    assert load_checkpoint(path, parts.network, parts.optimizer, parts.schedule, CPU) == {}
    best = {name: tensor + 1 for name, tensor in parts.network.state_dict().items()}
    save_checkpoint(path, parts.network, parts.optimizer, parts.schedule, CPU, PROGRESS, best)
    last = {name: tensor.clone() for name, tensor in parts.network.state_dict().items()}
    loaded = load_checkpoint(path, parts.network, parts.optimizer, parts.schedule, CPU)
    assert loaded.keys() == best.keys()
    for name, tensor in parts.network.state_dict().items():
        assert torch.equal(loaded[name], best[name])
        assert torch.equal(tensor, last[name])


def test_it_is_safetensors_and_replaced_whole(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        assert {"network.weight", "optimizer.0.exp_avg", "random.cpu"} <= set(file.keys())
    _Parts().save(path)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_file_cut_off_anywhere_is_refused(path: Path) -> None:
    data = path.read_bytes()
    for size in [*range(0, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(InputError, match=r"last\.safetensors: the checkpoint is damaged.*--overwrite"):
            _Parts().load(path)


@pytest.mark.parametrize("position", [0, 8, 9, 40, 200])
def test_a_damaged_header_is_refused(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        _Parts().load(path)


def test_a_flipped_bit_anywhere_is_noticed(path: Path) -> None:
    data = path.read_bytes()
    for position in range(0, len(data), 61):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(InputError):
            _Parts().load(path)


@pytest.mark.parametrize(
    "metadata", [None, {}, {"charmill": "[]"}, {"charmill": "{"}, {"charmill": '{"format_version": 3}'}]
)
def test_a_safetensors_file_that_is_no_checkpoint_is_refused(path: Path, metadata: dict[str, str] | None) -> None:
    path.write_bytes(save({"network.weight": torch.zeros(2)}, metadata))
    for read in (read_progress, _Parts().load):
        with pytest.raises(InputError, match="damaged"):
            read(path)


def test_another_format_version_is_refused_with_both(path: Path) -> None:
    path.write_bytes(save({"a": torch.zeros(1)}, {"charmill": json.dumps({"format_version": 2, "progress": {}})}))
    with pytest.raises(MismatchError, match="format_version is 2, expected 3"):
        read_progress(path)


def test_the_checkpoint_of_another_network_is_refused(path: Path) -> None:
    with pytest.raises(InputError, match="damaged"):
        _Parts(width=5).load(path)
