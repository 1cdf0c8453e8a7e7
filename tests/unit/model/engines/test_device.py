"""A device is the one that is asked for, or a sentence that says what to install."""

import pytest
import torch

from model.engines.device import choose_device
from pipeline.errors import MissingError


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingError, match="--device cuda: torch sees no CUDA device"):
        choose_device("cuda")
