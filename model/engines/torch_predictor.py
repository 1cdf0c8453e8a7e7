"""The torch engine: the network itself, on the CPU in batches of one shape, on CUDA in large blocks. Needs torch."""

import threading

import numpy as np
import torch

from model.architectures.registry import build_network
from model.architectures.trained import Model, Probabilities, Weights
from model.engines.block_forward import BlockForward
from model.engines.device import choose_device
from model.engines.predictor import Device
from pipeline.errors import InputError
from pipeline.text.alphabet import Codes

BATCH_ROWS = 1024  # Fixed, see `full_batch`.


class TorchPredictor:
    """Predicts with the network in torch; several threads take turns.

    Args:
        model: What was trained.
        weights: The model's.
        device: Where it runs.
        num_threads: Threads of torch on the CPU.

    Raises:
        InputError: The weights do not fit the architecture.
        MissingError: There is no such device.
    """

    def __init__(self, model: Model, weights: Weights, *, device: Device, num_threads: int) -> None:
        torch.set_num_threads(num_threads)
        self._device = choose_device(device)
        self._network = build_network(model.architecture, model.profile, len(model.labels))
        try:
            self._network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
        except RuntimeError as error:
            raise InputError(
                f"the weights do not fit the architecture: {' '.join(str(error).split())}; train again"
            ) from error
        self._network.to(self._device).eval()
        self._temperature = model.temperature
        self._blocks: BlockForward | None = None
        if self._device.type == "cuda":
            self._blocks = BlockForward(
                self._network, self._device, temperature=model.temperature, num_classes=len(model.labels)
            )
        self._fill = model.profile.fill
        self._num_classes = len(model.labels)
        self._turn = threading.Lock()  # torch's own threads, or one device, work on one batch at a time.
        self.name = f"torch on {self._device.type}"

    @torch.inference_mode()
    def predict(self, codes_NL: Codes) -> Probabilities:
        """Uint8 [N, L] to float32 [N, K], rows summing to 1, owned by the caller.

        Raises:
            TemporaryError: CUDA's memory does not hold a single row.
        """
        with self._turn:
            return self._predict(codes_NL)

    def _predict(self, codes_NL: Codes) -> Probabilities:
        if self._blocks is not None:
            return self._blocks.predict(codes_NL)
        probabilities_NK = np.empty((len(codes_NL), self._num_classes), np.float32)
        for start in range(0, len(codes_NL), BATCH_ROWS):
            codes_BL = codes_NL[start : start + BATCH_ROWS]
            logits_BK = self._network(torch.from_numpy(full_batch(codes_BL, self._fill)))
            probabilities_BK = torch.softmax(logits_BK / self._temperature, dim=1).numpy()
            probabilities_NK[start : start + BATCH_ROWS] = probabilities_BK[: len(codes_BL)]
        return probabilities_NK


def full_batch(codes_BL: Codes, fill: int) -> Codes:
    """Fill a batch up to `BATCH_ROWS` rows with rows of the fill code.

    A matrix product rounds differently in batches of different shapes, and on some machines from row to row of a batch. With one shape for
    all, a row's probabilities at the same place of a batch are the same to the last bit, whatever rows are beside it. The scorer begins
    its batches at places that depend on the source alone.

    Returns:
        uint8 [`BATCH_ROWS`, L]; codes_BL itself where it is full.
    """
    missing = BATCH_ROWS - len(codes_BL)
    return np.pad(codes_BL, ((0, missing), (0, 0)), constant_values=fill) if missing else codes_BL
