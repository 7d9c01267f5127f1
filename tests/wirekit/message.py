"""HTTP/1.1 messages taken off a raw connection, strictly: the tests' own judge of what clipal writes.

It shares nothing with clipal's parser. What RFC 9112 does not allow is a `MalformedError`; an answer that
ends too early is no error but `complete=False`, because how an answer is cut is what many tests are about.
"""

from __future__ import annotations

import re

from attrs import frozen

from tests.wirekit.connection import RawConnection

Fields = tuple[tuple[bytes, bytes], ...]

_FIELD = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*"
    rb"((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*"
)
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")
_LENGTH = re.compile(rb"[0-9]{1,18}")


class MalformedError(AssertionError):
    """Bytes that are no HTTP/1.1 message."""


@frozen
class Head:
    """A first line and fields.

    Attributes:
        raw: the bytes as they came, with the empty line.
        fields: names as they came, values without the blanks around them.
    """

    raw: bytes
    first_line: bytes
    fields: Fields


@frozen
class Body:
    """A body as it was framed.

    Attributes:
        pieces: one for each chunk of a chunked body, else one; in a cut body the last one may be short.
        complete: whether it ended where its framing said.
    """

    framing: str
    pieces: tuple[bytes, ...] = ()
    trailers: Fields = ()
    complete: bool = True


def values(fields: Fields, name: bytes) -> list[bytes]:
    """The values of all fields of a name, in any case."""
    return [value for field, value in fields if field.lower() == name.lower()]


async def read_head(connection: RawConnection) -> Head:
    """Take a head; `NeverError` if the connection ends before."""
    raw = await connection.read_until(b"\r\n\r\n")
    first_line, *lines = raw[:-4].split(b"\r\n")
    return Head(raw, first_line, tuple(_field(line) for line in lines))


def _field(line: bytes) -> tuple[bytes, bytes]:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise MalformedError(f"no field: {line!r}")
    return match[1], match[2]


def content_length(fields: Fields) -> int | None:
    """What one Content-Length says; None without one."""
    lengths = values(fields, b"content-length")
    if not lengths:
        return None
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]) or values(fields, b"transfer-encoding"):
        raise MalformedError(f"ambiguous framing: {fields!r}")
    return int(lengths[0])


def is_chunked(fields: Fields) -> bool:
    """Whether there is a Transfer-Encoding, which then must be exactly `chunked`."""
    codings = values(fields, b"transfer-encoding")
    if codings and [coding.lower() for coding in codings] != [b"chunked"]:
        raise MalformedError(f"unknown transfer coding: {codings!r}")
    return bool(codings)


async def read_length(connection: RawConnection, count: int) -> Body:
    """Take a body of `count` bytes."""
    piece = await connection.up_to(count)
    return Body("length", (piece,) if piece else (), complete=len(piece) == count)


async def read_chunks(connection: RawConnection) -> Body:
    """Take a chunked body with its trailers."""
    pieces: list[bytes] = []
    while (line := await connection.line_or_end()) is not None:
        if not _CHUNK_SIZE.fullmatch(line):
            raise MalformedError(f"no chunk size: {line!r}")
        if (size := int(line, 16)) == 0:
            trailers = await _trailers(connection)
            return Body("chunked", tuple(pieces), trailers or (), trailers is not None)
        piece = await connection.up_to(size)
        if piece:
            pieces.append(piece)
        if not await _chunk_ends(connection):
            break
    return Body("chunked", tuple(pieces), complete=False)


async def _chunk_ends(connection: RawConnection) -> bool:
    end = await connection.up_to(2)
    if not b"\r\n".startswith(end):
        raise MalformedError(f"a chunk ends with {end!r}")
    return end == b"\r\n"


async def _trailers(connection: RawConnection) -> Fields | None:
    fields = []
    while line := await connection.line_or_end():
        fields.append(_field(line))
    return None if line is None else tuple(fields)
