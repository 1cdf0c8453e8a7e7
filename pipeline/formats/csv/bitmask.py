"""Bit masks: which of 64 bytes equal a given one, as the bits of one word, for kernels that take 64 bytes a step.

Written in LLVM's own vector operations, so it becomes whatever the machine has (AVX-512, AVX2, SSE2, NEON). Bit i is byte i.
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

STEP = 64

_BYTE, _HALF, _WORD, _FLAG = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.IntType(1)
_VECTOR = ir.VectorType(_BYTE, STEP)


def _equal_bits(_context: Any, data: Any, _position: Any, _byte: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        pointer = builder.bitcast(builder.gep(array.data, [args[1]]), _VECTOR.as_pointer())
        loaded = builder.load(pointer, align=1)
        first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), args[2], ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), STEP), [0] * STEP)
        wanted = builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), mask)
        return builder.bitcast(builder.icmp_unsigned("==", loaded, wanted), _WORD)

    return types.uint64(data, types.intp, types.uint8), generate


def _load_word(_context: Any, data: Any, _position: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        pointer = builder.bitcast(builder.gep(array.data, [args[1]]), _HALF.as_pointer())
        return builder.load(pointer, align=1)

    return types.uint32(data, types.intp), generate


def _count_bits(_context: Any, _word: Any) -> Any:

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate


def _lowest_bit(_context: Any, _word: Any) -> Any:

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(_FLAG, 1))

    return types.uint64(types.uint64), generate


equal_bits: Any = intrinsic(_equal_bits)
"""(data, position, byte): which of the 64 bytes of data, uint8 [bytes], from position on equal a byte. The caller checks bounds."""

load_word: Any = intrinsic(_load_word)
"""(data, position): the 4 bytes of data, uint8 [bytes], from position on as a uint32 in the machine's order. The caller checks bounds."""

count_bits: Any = intrinsic(_count_bits)
"""(word): the number of bits set in a uint64, int64."""

lowest_bit: Any = intrinsic(_lowest_bit)
"""(word): the index of the lowest bit set in a uint64 other than 0, uint64."""


@njit(nogil=True, cache=True, inline="always")
def prefix_xor(word: Any) -> Any:
    """Bit i of the result is the exclusive or of bits 0 to i of a uint64."""
    for shift in (1, 2, 4, 8, 16, 32):
        word ^= word << shift
    return word
