"""Content codings as streaming providers apply them: flushed behind each piece, so that each arrives by itself."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

import brotli
import zstandard

Encode: TypeAlias = Callable[[Sequence[bytes]], list[bytes]]
"""Pieces of a text to pieces of a body, and what ends that."""


def deflated(window: int) -> Encode:
    """zlib's formats, by its number for them."""

    def encode(texts: Sequence[bytes]) -> list[bytes]:
        encoder = zlib.compressobj(wbits=window)
        return [encoder.compress(text) + encoder.flush(zlib.Z_SYNC_FLUSH) for text in texts] + [encoder.flush()]

    return encode


def brotlied(texts: Sequence[bytes]) -> list[bytes]:
    """Brotli."""
    encoder = brotli.Compressor()
    return [encoder.process(text) + encoder.flush() for text in texts] + [encoder.finish()]


def zstandarded(texts: Sequence[bytes]) -> list[bytes]:
    """Zstandard."""
    encoder, flush = zstandard.ZstdCompressor().compressobj(), zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return [encoder.compress(text) + encoder.flush(flush) for text in texts] + [encoder.flush()]


ENCODINGS: dict[bytes, Encode] = {
    b"gzip": deflated(16 + zlib.MAX_WBITS),
    b"br": brotlied,
    b"zstd": zstandarded,
}
"""What the three clients ask for."""

SPELLINGS: list[tuple[bytes, Encode]] = [
    *ENCODINGS.items(),
    (b"X-GZip", ENCODINGS[b"gzip"]),
    (b"deflate", deflated(zlib.MAX_WBITS)),
    (b" Deflate ", deflated(-zlib.MAX_WBITS)),
    (b"identity, ZSTD", zstandarded),
    (b"", lambda texts: [*texts, b""]),
    (b"gzip", lambda texts: [gzip.compress(text) for text in texts] + [b""]),
    (b"zstd", lambda texts: [zstandard.compress(text) for text in texts] + [b""]),
]
"""All that a decoder knows, in every spelling; the last two have a provider, or a frame, for each piece."""
