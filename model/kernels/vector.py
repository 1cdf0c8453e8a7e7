"""Vectors of float32 as values in Numba: several numbers in one register, for kernels that look up and multiply.

They are written in LLVM's own vector operations, so a vector becomes what the machine has: one register of AVX-512, two of AVX, four of
SSE or NEON. Indices are not checked; callers must keep them in range.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 16  # Of the widest vector: 64 bytes, a cache line.

_FLOAT, _INDEX = ir.FloatType(), ir.IntType(32)


class Vector(types.Type):
    """The Numba type of a vector.

    Args:
        lanes: How many float32 it holds, a power of two.
    """

    def __init__(self, lanes: int) -> None:
        super().__init__(name=f"Vector({lanes})")
        self.lanes = lanes


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, ir.VectorType(_FLOAT, kind.lanes))


_KINDS = {lanes: Vector(lanes) for lanes in (4, 8, LANES)}


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def _spread(builder: Any, value: Any, lanes: int) -> Any:
    """A vector with one value in all lanes."""
    undefined = ir.Constant(ir.VectorType(_FLOAT, lanes), ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INDEX, lanes), [0] * lanes))


def _make_load(lanes: int) -> Any:
    kind = _KINDS[lanes]

    def load(_context: Any, array: Any, _index: Any) -> Any:

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = _pointer(context, builder, signature.args[0], *args)
            return builder.load(builder.bitcast(pointer, ir.VectorType(_FLOAT, lanes).as_pointer()), align=4)

        return kind(array, types.intp), generate

    return intrinsic(load)


def _store(_context: Any, array: Any, _index: Any, vector: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        builder.store(args[2], builder.bitcast(pointer, args[2].type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


def _load_spread(_context: Any, array: Any, _index: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _spread(builder, builder.load(_pointer(context, builder, signature.args[0], *args)), LANES)

    return _KINDS[LANES](array, types.intp), generate


def _spread_value(_context: Any, _value: Any) -> Any:

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return _spread(builder, args[0], LANES)

    return _KINDS[LANES](types.float32), generate


def _make_operation(name: str) -> Any:
    """A lane-wise operation of two vectors, by its name in LLVM."""

    def operation(_context: Any, a: Any, _b: Any) -> Any:

        def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return getattr(builder, name)(*args)

        return a(a, a), generate

    return intrinsic(operation)


def _multiply_add(_context: Any, a: Any, _b: Any, _c: Any) -> Any:

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        kind = args[0].type
        # `fmuladd` is one instruction where the machine has it; without one, `fma` would call the C library.
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fmuladd.v{kind.count}f32"
        )
        return builder.call(function, args)

    return a(a, a, a), generate


def _positive_part(_context: Any, a: Any) -> Any:

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        zeros = ir.Constant(args[0].type, [0.0] * args[0].type.count)
        return builder.select(builder.fcmp_ordered(">", args[0], zeros), args[0], zeros)

    return a(a), generate


def _larger(_context: Any, a: Any, _b: Any) -> Any:

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return a(a, a), generate


def _add_exponent(_context: Any, a: Any, _b: Any) -> Any:

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        kind = args[0].type
        whole = ir.VectorType(_INDEX, kind.count)
        mantissa_bits = ir.Constant(whole, [23] * kind.count)
        bits, power = (builder.bitcast(vector, whole) for vector in args)
        return builder.bitcast(builder.add(bits, builder.shl(power, mantissa_bits)), kind)

    return a(a, a), generate


def _total(_context: Any, _a: Any) -> Any:

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        vector = args[0]
        # Halves are added until one lane is left: an order of its own that is the same on every machine.
        while (half := vector.type.count // 2) > 0:
            undefined = ir.Constant(vector.type, ir.Undefined)
            masks = [ir.Constant(ir.VectorType(_INDEX, half), list(range(first, first + half))) for first in (0, half)]
            vector = builder.fadd(*(builder.shuffle_vector(vector, undefined, mask) for mask in masks))
        return builder.extract_element(vector, ir.Constant(_INDEX, 0))

    return types.float32(_a), generate


load_4: Any = _make_load(4)
"""(array, index): a vector of 4 from a flat float32 array."""

load_8: Any = _make_load(8)
"""(array, index): a vector of 8."""

load_16: Any = _make_load(LANES)
"""(array, index): a vector of 16."""

store: Any = intrinsic(_store)
"""(array, index, vector): write a vector into a flat float32 array."""

load_spread: Any = intrinsic(_load_spread)
"""(array, index): one number of a flat float32 array, in all 16 lanes."""

spread: Any = intrinsic(_spread_value)
"""(number): a float32 in all 16 lanes."""

add: Any = _make_operation("fadd")
"""(a, b): a + b."""

subtract: Any = _make_operation("fsub")
"""(a, b): a - b."""

multiply: Any = _make_operation("fmul")
"""(a, b): a * b."""

divide: Any = _make_operation("fdiv")
"""(a, b): a / b."""

larger: Any = intrinsic(_larger)
"""(a, b): a where it is above b, else b."""

add_exponent: Any = intrinsic(_add_exponent)
"""(a, b): a times 2 to the power of the integer in the lowest bits of b; a and the result must be normal numbers."""

multiply_add: Any = intrinsic(_multiply_add)
"""(a, b, c): a * b + c, rounded once where the machine can."""

positive_part: Any = intrinsic(_positive_part)
"""(a): a where it is above 0, else 0: ReLU."""

total: Any = intrinsic(_total)
"""(a): the sum of all lanes, float32."""
