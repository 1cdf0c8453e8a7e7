"""An ONNX graph under construction: its nodes and weights, an operator a call. Needs onnx.

Names follow from the order of the calls alone, so the same calls give the same bytes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from pipeline.errors import InputError

OPSET = 18  # The first with BitwiseXor; what came later is of no use here, and older runtimes do without it.
MAX_WEIGHT_BYTES = (1 << 31) - (64 << 20)  # A protobuf message ends at 2 GiB; the rest is for nodes and labels.


class GraphBuilder:
    """An ONNX graph that grows by an operator with each call; values go by name."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._weight_bytes = 0

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Append an operator with one output.

        Args:
            operator: As ONNX calls it.
            inputs: Names of values.
            output: The name of the result; by default one is made up.
            attributes: Of the operator.

        Returns:
            The name of the result.
        """
        name = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def weight(self, name: str, array: npt.NDArray[Any]) -> str:
        """Store an array in the file under a name.

        Raises:
            InputError: The weights are too large for an ONNX file.
        """
        self._weight_bytes += array.nbytes
        if self._weight_bytes > MAX_WEIGHT_BYTES:
            raise InputError(
                f"the weights take {self._weight_bytes:,} bytes or more, but one ONNX file holds {MAX_WEIGHT_BYTES:,}; "
                "train a smaller network, or score with charmill score"
            )
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike) -> str:
        """Store a number or a short list of numbers, each only once, and return its name."""
        array = np.asarray(value, dtype)
        key = (array.dtype.name, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.weight(f"constant_{len(self._constants)}", array)
        return self._constants[key]

    def cast(self, x: str, to: int) -> str:
        """Convert to an ONNX element type; between int64 and uint64 the bits stay."""
        return self.add("Cast", x, to=to)

    def cut(self, x: str, start: int, stop: int, axis: int = 1) -> str:
        """x[:, start:stop], or the same along another axis."""
        bounds = (self.constant([number], np.int64) for number in (start, stop, axis))
        return self.add("Slice", x, *bounds)

    def pad(self, x: str, before: int, after: int, fill: str) -> str:
        """Lengthen axis 1 by copies of a scalar of the same type."""
        widths = self.constant([before, after], np.int64)
        return self.add("Pad", x, widths, fill, self.constant([1], np.int64))

    def finish(
        self, name: str, doc: str, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]
    ) -> onnx.GraphProto:
        """The graph, without what the outputs do not need: runtimes warn of that."""
        needed = {value.name for value in outputs}
        nodes = []
        for node in reversed(self._nodes):
            if node.output[0] in needed:
                needed.update(node.input)
                nodes.append(node)
        weights = [weight for weight in self._weights if weight.name in needed]
        return helper.make_graph(nodes[::-1], name, inputs, outputs, initializer=weights, doc_string=doc)
