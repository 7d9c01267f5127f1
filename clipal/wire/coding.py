"""Decodes a copy of a body, within limits, because a provider may send a decompression bomb.

Only errors and the beginnings of answers are decoded, to find out what they mean. What is relayed is never decoded.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final, Protocol

import brotli
import zstandard

CODINGS: Final = 3
"""Codings of a whole body that are undone, one after another, at most."""
_ZSTD_WINDOW: Final = 8 * 1024 * 1024
"""Bytes of window, as RFC 8878, 3.1.1.1.2 asks every decoder to support; a frame that asks for more is not decoded."""
_ZSTD_OUTPUT: Final = 512 * 1024
"""Bytes that a zstd frame is decoded to in one step. More than anyone asks for: a step that ends with less has decoded
all that came, so that nothing of a stream waits in the decoder for its next piece."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_GZIP_MAGIC: Final = b"\x1f\x8b"


class BrokenCoding(Exception):
    """The data is not in the coding that its header field names."""


class Decoder(Protocol):
    """Undoes one coding, piece by piece."""

    def feed(self, data: bytes, limit: int) -> bytes:
        """What the pieces up to `data` decode to, without what was returned before.

        Parameters:
            limit: bytes of the result at most, at least 1. What exceeds it is lost; the caller must stop then.

        Raises:
            BrokenCoding: the pieces cannot be decoded.
        """


def decoder(content_encoding: bytes) -> Decoder | None:
    """A decoder for the coding that a Content-Encoding field names (RFC 9110, 8.4).

    Returns:
        None for a coding that is not known, and for several, one upon another.
    """
    codings = _codings(content_encoding)
    if not codings:
        return IDENTITY
    make = _DECODERS.get(codings[0])
    return None if make is None or len(codings) > 1 else make()


def decode(body: bytes, content_encoding: bytes, limit: int) -> bytes:
    """`body` without its codings.

    Parameters:
        content_encoding: the field's value: codings in the order in which they were applied.
        limit: bytes of the result, and of each step to it, at most; the rest is left out.

    Returns:
        as much as could be decoded; nothing of a body that is garbage, or whose coding is not known.
    """
    codings = _codings(content_encoding)
    if len(codings) > CODINGS:
        return b""
    for name in reversed(codings):
        make = _DECODERS.get(name)
        if make is None:
            return b""
        try:
            body = make().feed(body, limit)
        except BrokenCoding:
            return b""
    return body[:limit]


def _codings(content_encoding: bytes) -> list[bytes]:
    names = [name.strip().lower() for name in content_encoding.split(b",")]
    return [name for name in names if name not in (b"", b"identity")]


class _Identity:
    """No coding. It has no state, so one instance serves all. It needs no limit, because it makes nothing larger."""

    def feed(self, data: bytes, limit: int) -> bytes:
        return data


class _Inflate:
    """zlib's formats. A gzip body may have several members, one behind another (RFC 1952, 2.2)."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._inflate = zlib.decompressobj(window)

    def feed(self, data: bytes, limit: int) -> bytes:
        decoded = b""
        try:
            while len(decoded) < limit:
                decoded += self._inflate.decompress(data, limit - len(decoded))
                data = self._inflate.unused_data
                if not (self._window == _GZIP and self._inflate.eof and data.startswith(_GZIP_MAGIC)):
                    break
                self._inflate = zlib.decompressobj(_GZIP)
        except zlib.error as error:
            raise BrokenCoding from error
        return decoded


class _Deflate:
    """Deflate with zlib's wrapping (RFC 9110, 8.4.1.2), or without it, as some servers send it.

    The first two bytes tell which (RFC 1950, 2.2).
    """

    def __init__(self) -> None:
        self._begun = b""
        self._inflate: _Inflate | None = None

    def feed(self, data: bytes, limit: int) -> bytes:
        if self._inflate is None:
            self._begun += data
            if len(self._begun) < 2:
                return b""
            data, self._begun = self._begun, b""
            wrapped = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._inflate = _Inflate(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        return self._inflate.feed(data, limit)


class _Brotli:
    def __init__(self) -> None:
        self._decompressor = brotli.Decompressor()

    def feed(self, data: bytes, limit: int) -> bytes:
        try:
            decoded: bytes = self._decompressor.process(data, output_buffer_limit=limit)
        except brotli.error as error:
            raise BrokenCoding from error
        return decoded[:limit]


class _Zstd:
    def __init__(self) -> None:
        self._sink = _Sink()
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._writer = decompressor.stream_writer(self._sink, write_size=_ZSTD_OUTPUT)  # type: ignore[arg-type]

    def feed(self, data: bytes, limit: int) -> bytes:
        sink = self._sink
        sink.room, sink.decoded = limit, b""
        try:
            self._writer.write(data)
        except _Full:
            pass
        except zstandard.ZstdError as error:
            raise BrokenCoding from error
        return sink.decoded[:limit]


class _Full(Exception):
    """Enough has been decoded."""


class _Sink:
    """What a zstd decoder writes to. It only has `write`, because the decoder calls nothing else."""

    room = 0
    decoded = b""

    def write(self, data: bytes) -> int:
        self.decoded += data
        if len(self.decoded) >= self.room:
            raise _Full
        return len(data)


IDENTITY: Final = _Identity()
"""Decodes nothing."""
_DECODERS: Final[dict[bytes, Callable[[], Decoder]]] = {
    b"gzip": lambda: _Inflate(_GZIP),
    b"x-gzip": lambda: _Inflate(_GZIP),
    b"deflate": _Deflate,
    b"br": _Brotli,
    b"zstd": _Zstd,
}
