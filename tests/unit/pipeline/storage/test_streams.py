"""Streams: what is looked at ahead, passed over or cut short comes out as if it had been read byte by byte."""

import gzip
import hashlib
import io
from typing import Any

import pytest

from pipeline.storage.streams import (
    ByteStream,
    CountingStream,
    LimitedStream,
    PeekableStream,
    decompressed,
    pass_over,
)
from tests.reading import read_stream

TEXT = b"1,some title that packs well\n" * 1000


def make_stream(pack: Any = bytes) -> PeekableStream:
    return decompressed(CountingStream(io.BytesIO(pack(TEXT))), "a")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("num_peeked", [0, 1, 3, 100, 1 << 20])
@pytest.mark.parametrize("num_bytes", [1, 70, 1 << 20])
def test_peeking_does_not_consume(pack: object, num_peeked: int, num_bytes: int) -> None:
    stream = make_stream(pack)
    assert stream.peek(num_peeked) == TEXT[:num_peeked]
    assert stream.peek(num_peeked // 2) == TEXT[: num_peeked // 2]
    assert read_stream(stream, num_bytes) == TEXT
    assert stream.peek(num_peeked) == b""


def test_a_stream_that_does_not_wait_is_no_stream_that_ended() -> None:
    class Unready(io.RawIOBase):
        def readinto(self, buffer: object) -> None:
            return None

    with pytest.raises(BlockingIOError):
        CountingStream(Unready()).readinto(memoryview(bytearray(3)))


class _Watched(io.BytesIO):
    """Says how many bytes were read of it."""

    num_read = 0

    def readinto(self, buffer: Any) -> int:
        num_read = super().readinto(buffer)
        self.num_read += num_read
        return num_read


@pytest.mark.parametrize("is_hashed", [True, False])
@pytest.mark.parametrize("num_peeked", [0, 4])
def test_what_is_skipped_is_read_only_for_its_hash(is_hashed: bool, num_peeked: int) -> None:
    stored = _Watched(TEXT)
    counting = CountingStream(stored, is_hashed=is_hashed)
    stream = PeekableStream(counting)
    assert stream.peek(num_peeked) == TEXT[:num_peeked]
    assert stream.skip(20_000) == 20_000
    assert (stored.num_read >= 19_996) == is_hashed
    buffer = bytearray(100)
    assert stream.readinto(buffer) == 100
    assert buffer == TEXT[20_000:20_100]
    assert counting.num_bytes == 20_100
    assert (counting.passed()[1] == hashlib.sha256(TEXT[:20_100]).hexdigest()) == is_hashed
    assert stream.skip(1 << 30) == len(TEXT) - 20_100


@pytest.mark.parametrize("make", [make_stream, lambda: LimitedStream(make_stream(gzip.compress), len(TEXT))])
def test_any_stream_can_be_passed_over(make: Any) -> None:
    stream: ByteStream = make()
    assert pass_over(stream, 15_000) == 15_000
    assert read_stream(stream, 1000) == TEXT[15_000:]
    assert pass_over(stream, 1) == 0


@pytest.mark.parametrize("num_bytes", [0, 1, 15_000, len(TEXT) + 1])
def test_a_stream_that_is_cut_short_ends_there(num_bytes: int) -> None:
    stream = LimitedStream(make_stream(), num_bytes)
    passed = pass_over(stream, 1000)
    assert passed == min(1000, num_bytes)
    assert read_stream(stream, 999) == TEXT[passed:num_bytes]
