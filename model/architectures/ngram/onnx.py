"""The `ngram` network in ONNX operators, hashing as `hashing.py` says. Needs onnx.

Hashes are int64 here. Its products and sums wrap in today's runtimes, but the standard does not promise it, so every file is compared
with the folded engine before it is published. Shifts need uint64, for which the runtimes have no products.
N rows, L max_length, M n-grams, K classes.
"""

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from model.architectures.ngram import hashing
from model.architectures.ngram.config import NgramConfig
from model.architectures.onnx_graph import GraphBuilder
from model.architectures.trained import Model, Weights


def ngram_logits(graph: GraphBuilder, model: Model, config: NgramConfig, weights: Weights, codes: str) -> str:
    """Add the network; see `Factory.onnx_logits`."""
    hashes, exists, weight_M = _Hashes(graph, model, config, codes).all()
    ids = graph.add("Where", exists, _bucket(graph, hashes, config.buckets), graph.constant(config.buckets, np.int64))
    table, weight = weights["bag.weight"].copy(), weights.get("linear.weight")
    table[config.buckets] = 0  # The row of "no n-gram here".
    is_folded = weight is None or len(weight) < config.dim
    if is_folded and weight is not None:
        # Summing rows and the linear layer commute; with fewer classes than dimensions, rows of logits are less to sum and to store.
        table = (table.astype(np.float64) @ weight.T.astype(np.float64)).astype(np.float32)
    rows = graph.add("Gather", graph.weight("bag.logits" if is_folded else "bag.weight", table), ids)
    rows = graph.add("Mul", rows, graph.weight("ngram_weights", weight_M[:, None]))
    axis_1 = graph.constant([1], np.int64)
    sums = graph.add("ReduceSum", rows, axis_1, keepdims=0)
    squares = graph.add("Mul", graph.cast(exists, TensorProto.FLOAT), graph.weight("ngram_weights_2", weight_M**2))
    norm = graph.add("Max", graph.add("ReduceSum", squares, axis_1, keepdims=1), graph.constant(1, np.float32))
    bag = graph.add("Div", sums, graph.add("Sqrt", norm))
    bias = graph.weight("linear.bias", weights["linear.bias"])
    if is_folded or weight is None:
        return graph.add("Add", bag, bias)
    return graph.add("Gemm", bag, graph.weight("linear.weight", weight), bias, transB=1)


class _Hashes:
    """The salted hashes of a row's n-grams and words, and which of them exist."""

    def __init__(self, graph: GraphBuilder, model: Model, config: NgramConfig, codes: str) -> None:
        self._graph = graph
        self._config = config
        self._length = length = model.profile.max_length
        self._indices = graph.cast(codes, TensorProto.INT32)
        self._inverse_powers = graph.weight(
            "inverse_powers", hashing.powers(hashing.INVERSE, length + 1).view(np.int64)
        )
        self._inside = self._look_up("inside", np.arange(256) != model.profile.fill)
        self._in_word = self._look_up("word_codes", hashing.word_codes(model.profile))
        self._powers = graph.weight("powers", hashing.powers(hashing.BASE, length).view(np.int64))
        written = graph.cast(codes, TensorProto.INT64)
        self._written_prefix = self._prefix = self._sums_before(written)
        self._has_capitals = hashing.has_capitals(model.profile)
        if self._has_capitals:
            folded = graph.weight("folded_codes", hashing.folded_codes(model.profile).astype(np.int64))
            self._prefix = self._sums_before(graph.add("Gather", folded, self._indices))

    def _sums_before(self, codes: str) -> str:
        """The running sum before each position, int64 [N, L + 1]."""
        graph = self._graph
        terms = graph.add("Mul", graph.add("Add", codes, graph.constant(1, np.int64)), self._powers)
        sums = graph.add("CumSum", terms, graph.constant(1, np.int64))
        return graph.pad(sums, 1, 0, graph.constant(0, np.int64))

    def _look_up(self, name: str, table: npt.NDArray[np.bool_]) -> str:
        return self._graph.add("Gather", self._graph.weight(name, table), self._indices)

    def all(self) -> tuple[str, str, npt.NDArray[np.float32]]:
        """The names of the hashes, int64 [N, M], and of which exist, bool [N, M]; and what each counts, float32 [M]."""
        ngrams, words = self._ngrams(), self._words() if self._config.word_order else []
        num_ngrams = sum(self._length - order + 1 for order in self._orders)
        pairs = ngrams + words
        if not pairs:  # Rows are shorter than the shortest n-gram: one that never exists stands in.
            nothing = self._look_up("nothing", np.zeros(256, np.bool_))
            pairs, num_ngrams = [(self._graph.cut(self._prefix, 0, 1), self._graph.cut(nothing, 0, 1))], 1
        hashes, exists = zip(*pairs, strict=True)
        weight_M = np.ones(num_ngrams + len(words) * self._length, np.float32)
        weight_M[num_ngrams:] = self._config.word_weight
        return self._graph.add("Concat", *hashes, axis=1), self._graph.add("Concat", *exists, axis=1), weight_M

    @property
    def _orders(self) -> range:
        return range(self._config.min_order, min(self._config.max_order, self._length) + 1)

    def _ngrams(self) -> list[tuple[str, str]]:
        graph, length = self._graph, self._length
        pairs = []
        for order in self._orders:
            count = length - order + 1
            sums = graph.add("Sub", graph.cut(self._prefix, order, length + 1), graph.cut(self._prefix, 0, count))
            hashes = graph.add("Mul", sums, graph.cut(self._inverse_powers, 0, count, axis=0))
            pairs.append((self._salted(hashes, order), graph.cut(self._inside, order - 1, length)))
        return pairs

    def _words(self) -> list[tuple[str, str]]:
        """Words, pairs of neighbours and words with capitals, each at the position of the last word's last code."""
        graph, length = self._graph, self._length
        zero = graph.constant(0, np.int32)
        one_up = graph.weight("one_up", np.arange(1, length + 1, dtype=np.int32))
        # The start of the word around a position: one after the last position that is in no word.
        start = self._running_max(graph.add("Where", self._in_word, zero, one_up))
        next_in_word = graph.pad(graph.cut(self._in_word, 1, length), 0, 1, graph.constant(0, np.bool_))
        ends = graph.add("And", self._in_word, graph.add("Not", next_in_word))
        word = self._hash_from(self._prefix, start)
        pairs = [(self._salted(word, hashing.WORD_SALT), ends)]
        if self._config.word_order > 1:
            # One after the end of the word before: the last word end before this word's start, 0 where there is none.
            ended = self._running_max(graph.add("Where", ends, one_up, zero))
            before = graph.add("GatherElements", graph.pad(ended, 1, 0, zero), start, axis=1)
            # [N, L + 1]: shifted by one, so that 0 may stand for no word.
            words = graph.pad(word, 1, 0, graph.constant(0, np.int64))
            previous = graph.add("GatherElements", words, before, axis=1)
            pair = graph.add(
                "Add", word, graph.add("Mul", previous, graph.constant(hashing.signed(hashing.PAIR_FACTOR), np.int64))
            )
            exists = graph.add("And", ends, graph.add("Greater", before, zero))
            pairs.append((self._salted(pair, hashing.PAIR_SALT), exists))
        if self._has_capitals:
            written = self._hash_from(self._written_prefix, start)
            differs = graph.add("Not", graph.add("Equal", written, word))
            pairs.append((self._salted(written, hashing.CASED_SALT), graph.add("And", ends, differs)))
        return pairs

    def _hash_from(self, prefix: str, start: str) -> str:
        """The hash of the codes from a start to each position, int64 [N, L]."""
        graph = self._graph
        before = graph.add("GatherElements", prefix, start, axis=1)
        sums = graph.add("Sub", graph.cut(prefix, 1, self._length + 1), before)
        return graph.add("Mul", sums, graph.add("Gather", self._inverse_powers, start))

    def _running_max(self, x: str) -> str:
        """The largest value up to each position, for int32 [N, L] of 0 and more: each step doubles how far back it looks."""
        graph, length = self._graph, self._length
        reach = 1
        while reach < length:
            earlier = graph.pad(graph.cut(x, 0, length - reach), reach, 0, graph.constant(0, np.int32))
            x = graph.add("Max", x, earlier)
            reach *= 2
        return x

    def _salted(self, hashes: str, salt: int) -> str:
        return self._graph.add("Add", hashes, self._graph.constant(hashing.signed(salt * hashing.SALT), np.int64))


def _bucket(graph: GraphBuilder, hashes: str, buckets: int) -> str:
    """Mix hashes and take them modulo the number of buckets."""
    x = graph.cast(hashes, TensorProto.UINT64)
    for bits, factor in ((30, hashing.MULTIPLIER_1), (27, hashing.MULTIPLIER_2)):
        x = graph.cast(_fold_right(graph, x, bits), TensorProto.INT64)
        x = graph.cast(graph.add("Mul", x, graph.constant(hashing.signed(factor), np.int64)), TensorProto.UINT64)
    x = _shift_right(graph, _fold_right(graph, x, 31), 1)  # 63 bits: never negative
    if buckets & (buckets - 1) == 0:
        x = graph.add("BitwiseAnd", x, graph.constant(buckets - 1, np.uint64))  # The same, without a division.
        return graph.cast(x, TensorProto.INT64)
    return graph.add("Mod", graph.cast(x, TensorProto.INT64), graph.constant(buckets, np.int64))


def _fold_right(graph: GraphBuilder, x: str, bits: int) -> str:
    return graph.add("BitwiseXor", x, _shift_right(graph, x, bits))


def _shift_right(graph: GraphBuilder, x: str, bits: int) -> str:
    return graph.add("BitShift", x, graph.constant(bits, np.uint64), direction="RIGHT")
