"""The codings of a copy of a body: undone within bounds, whatever a provider sent."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from clipal.wire.coding import CODINGS, BrokenCoding, decode, decoder
from tests.codings import SPELLINGS, Encode

LIMIT = 64 * 1024
TEXT = b'{"error":{"message":"Number of request tokens has exceeded your rate limit"}}' * 20


def raw_deflate(body: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return encoder.compress(body) + encoder.flush()


def zstd(body: bytes) -> bytes:
    """With the window that servers use, and without a length: as it is streamed."""
    encoder = zstandard.ZstdCompressor().compressobj()
    return encoder.compress(body) + encoder.flush()


ENCODERS: list[tuple[bytes, Callable[[bytes], bytes]]] = [
    (b"gzip", gzip.compress),
    (b"x-gzip", gzip.compress),
    (b"deflate", zlib.compress),
    (b"deflate", raw_deflate),
    (b"br", brotli.compress),
    (b"zstd", zstd),
    (b"zstd", zstandard.compress),
]
every_coding = pytest.mark.parametrize(("name", "encode"), ENCODERS)


@every_coding
@pytest.mark.parametrize("body", [b"", b"x", TEXT, bytes(range(256)) * 200])
def test_what_was_encoded_is_decoded(name: bytes, encode: Callable[[bytes], bytes], body: bytes) -> None:
    assert decode(encode(body), name, LIMIT) == body
    assert decode(encode(body), b" " + name.upper() + b" ", LIMIT) == body


@pytest.mark.parametrize("name", [b"", b"identity", b" Identity ", b",", b"identity, identity"])
def test_a_body_without_a_coding_is_itself_up_to_the_limit(name: bytes) -> None:
    assert decode(TEXT, name, LIMIT) == TEXT
    assert decode(TEXT, name, 10) == TEXT[:10]


@every_coding
def test_a_bomb_is_bounded(name: bytes, encode: Callable[[bytes], bytes]) -> None:
    """Fifty megabytes in a few thousand bytes: neither the result nor what it takes to get it is large."""
    bomb = encode(b"\0" * 4 * 1024 * 1024) if encode is zstandard.compress else encode(b"\0" * 50_000_000)
    assert len(bomb) < LIMIT
    tracemalloc.start()
    try:
        decoded = decode(bomb, name, LIMIT)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert decoded == b"\0" * LIMIT
    assert peak < 16 * 1024 * 1024


def test_a_bomb_in_a_bomb_is_bounded_at_each_step() -> None:
    bomb = gzip.compress(gzip.compress(gzip.compress(b"\0" * 50_000_000)))
    assert decode(bomb, b"gzip, gzip, gzip", LIMIT) == b"\0" * LIMIT
    assert decode(bomb, b"gzip, gzip, gzip", 16) == b""


@pytest.mark.parametrize("window", [24, 27, 31])
def test_a_frame_that_asks_for_a_large_window_is_not_decoded(window: int) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=window)
    encoder = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    frame = encoder.compress(TEXT) + encoder.flush()
    assert decode(frame, b"zstd", LIMIT) == b""


@every_coding
def test_a_truncated_body_gives_its_beginning(name: bytes, encode: Callable[[bytes], bytes]) -> None:
    body = bytes(value * value % 251 for value in range(60_000)) + TEXT
    encoded = encode(body)
    for length in (0, 1, len(encoded) // 2, len(encoded) - 1):
        assert body.startswith(decode(encoded[:length], name, LIMIT))


@pytest.mark.parametrize(("name", "encode", "cut"), [(b"gzip", gzip.compress, 8), (b"deflate", zlib.compress, 4)])
def test_a_body_without_its_end_is_read(name: bytes, encode: Callable[[bytes], bytes], cut: int) -> None:
    """All that is missing is the checksum."""
    assert decode(encode(TEXT)[:-cut], name, LIMIT) == TEXT


@pytest.mark.parametrize("name", [b"gzip", b"br", b"zstd", b"deflate"])
@pytest.mark.parametrize("garbage", [b"\xff" * 100, TEXT, b"<html>not encoded at all</html>"])
def test_garbage_says_nothing(name: bytes, garbage: bytes) -> None:
    assert decode(garbage, name, LIMIT) == b""


def test_deflate_under_the_name_of_gzip_says_nothing() -> None:
    assert decode(zlib.compress(TEXT), b"gzip", LIMIT) == b""


@pytest.mark.parametrize("name", [b"rot13", b"gzip;q=1", b"compress", b"gzip, rot13", b"\xff"])
def test_an_unknown_coding_says_nothing(name: bytes) -> None:
    assert decode(gzip.compress(TEXT), name, LIMIT) == b""


def test_stacked_codings_are_undone_from_the_last_to_the_first() -> None:
    stacked = zstd(brotli.compress(gzip.compress(TEXT)))
    assert decode(stacked, b"gzip, br, zstd", LIMIT) == TEXT
    assert decode(stacked, b"identity,gzip,,br , ZSTD,identity", LIMIT) == TEXT
    assert decode(stacked, b"zstd, br, gzip", LIMIT) == b""


def test_more_codings_than_anyone_needs_are_not_undone() -> None:
    body = TEXT
    for _ in range(CODINGS):
        body = gzip.compress(body)
    assert decode(body, b",".join([b"gzip"] * CODINGS), LIMIT) == TEXT
    assert decode(gzip.compress(body), b",".join([b"gzip"] * (CODINGS + 1)), LIMIT) == b""


@given(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b"gzip", b"deflate", b"br", b"zstd"]), max_size=4).map(b",".join),
    st.sampled_from([b"", b"\x1f\x8b\x08\x00", b"\x78\x9c", b"\x28\xb5\x2f\xfd"]),
)
def test_whatever_comes_no_error_and_no_more_than_the_limit(body: bytes, name: bytes, magic: bytes) -> None:
    assert len(decode(magic + body, name, 100)) <= 100


# Piece by piece

EVENTS = [f'event: ping\ndata: {{"type": "ping", "number": {number}}}\n\n'.encode() for number in range(40)]


piece_by_piece = pytest.mark.parametrize(("name", "encode"), SPELLINGS)


@piece_by_piece
def test_each_piece_is_decoded_as_far_as_its_encoder_flushed_it(name: bytes, encode: Encode) -> None:
    incremental = decoder(name)
    assert incremental is not None
    assert [incremental.feed(piece, LIMIT) for piece in encode(EVENTS)] == [*EVENTS, b""]


@piece_by_piece
def test_bytes_may_come_one_by_one(name: bytes, encode: Encode) -> None:
    incremental = decoder(name)
    assert incremental is not None
    body = b"".join(encode(EVENTS))
    assert b"".join(incremental.feed(body[at : at + 1], LIMIT) for at in range(len(body))) == b"".join(EVENTS)


@every_coding
def test_a_bomb_in_one_piece_is_bounded(name: bytes, encode: Callable[[bytes], bytes]) -> None:
    bomb = encode(b"\0" * 4 * 1024 * 1024)
    incremental = decoder(name)
    assert incremental is not None
    tracemalloc.start()
    try:
        assert incremental.feed(bomb, LIMIT) == b"\0" * LIMIT
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", [b"rot13", b"gzip;q=1", b"gzip, br", b"gzip, gzip", b"\xff"])
def test_unknown_and_stacked_codings_are_not_undone_piece_by_piece(name: bytes) -> None:
    assert decoder(name) is None


@pytest.mark.parametrize("name", [b"gzip", b"br", b"zstd", b"deflate"])
def test_a_broken_piece_is_noticed(name: bytes) -> None:
    incremental = decoder(name)
    assert incremental is not None
    with pytest.raises(BrokenCoding):
        incremental.feed(b"\xff" * 100, LIMIT)
