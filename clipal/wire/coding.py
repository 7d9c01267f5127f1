"""Undoes the content codings of a copy of a body, within bounds: what comes from a provider may be a bomb.

Never used on what is relayed: only an error's body is looked at, and only to classify it.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import Final

import brotli
import zstandard

CODINGS: Final = 3
"""Codings that are undone, one after another, at most."""
_ZSTD_WINDOW: Final = 8 * 1024 * 1024
"""Bytes of window, as RFC 8878, 3.1.1.1.2 asks every decoder to support; a frame that asks for more is not decoded."""


def decode(body: bytes, content_encoding: bytes, limit: int) -> bytes:
    """What `body` says without its codings (RFC 9110, 8.4).

    Parameters:
        content_encoding: the field's value: codings in the order in which they were applied.
        limit: bytes of the result, and of each step to it, at most; the rest is left out.

    Returns:
        as much as could be decoded; nothing of a body that is garbage, or whose coding is not known.
    """
    names = [name.strip().lower() for name in content_encoding.split(b",")]
    codings = [name for name in names if name not in (b"", b"identity")]
    if len(codings) > CODINGS:
        return b""
    for name in reversed(codings):
        decoder = _DECODERS.get(name)
        if decoder is None:
            return b""
        body = decoder(body, limit)
    return body[:limit]


def _inflate(body: bytes, limit: int, window: int) -> bytes:
    try:
        return zlib.decompressobj(window).decompress(body, limit)
    except zlib.error:
        return b""


def _gzip(body: bytes, limit: int) -> bytes:
    return _inflate(body, limit, 16 + zlib.MAX_WBITS)


def _deflate(body: bytes, limit: int) -> bytes:
    """With zlib's wrapping, as the RFC has it, or without, as some servers do."""
    return _inflate(body, limit, zlib.MAX_WBITS) or _inflate(body, limit, -zlib.MAX_WBITS)


def _brotli(body: bytes, limit: int) -> bytes:
    try:
        return bytes(brotli.Decompressor().process(body, output_buffer_limit=limit))
    except brotli.error:
        return b""


def _zstd(body: bytes, limit: int) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(io.BytesIO(body))
    try:
        return reader.read(limit)
    except zstandard.ZstdError:
        return b""


_DECODERS: Final[dict[bytes, Callable[[bytes, int], bytes]]] = {
    b"gzip": _gzip,
    b"x-gzip": _gzip,
    b"deflate": _deflate,
    b"br": _brotli,
    b"zstd": _zstd,
}
