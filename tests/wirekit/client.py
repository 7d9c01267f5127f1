"""A raw client: it writes what a test tells it to and reads answers with a parser of its own."""

from __future__ import annotations

import re
import socket
from typing import Literal

from attrs import frozen
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint

from tests.wirekit.connection import RawConnection
from tests.wirekit.message import (
    Body,
    Fields,
    Head,
    MalformedError,
    content_length,
    is_chunked,
    read_chunks,
    read_head,
    read_length,
    values,
)
from tests.wirekit.waiting import reactor

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)")


@frozen
class RawResponse:
    """An answer as it was on the wire.

    Attributes:
        body: without chunked coding; in a cut answer what came of it.
        raw: all bytes of the answer as they came.
        complete: whether it ended where its framing said; one without framing ends with a FIN.
        ended: what ended it; in a cut answer how the connection ended.
        chunks: the body, piece by piece where it was chunked.
    """

    status: int
    reason: bytes
    fields: Fields
    body: bytes
    raw: bytes
    complete: bool
    ended: Literal["length", "chunked", "close", "aborted"]
    chunks: tuple[bytes, ...]
    trailers: Fields = ()

    def values(self, name: bytes) -> list[bytes]:
        """The values of all fields of a name, in any case."""
        return values(self.fields, name)


def request(
    method: bytes = b"GET",
    target: bytes = b"/",
    fields: Fields = ((b"Host", b"127.0.0.1"),),
    body: bytes | None = None,
) -> bytes:
    """The bytes of an ordinary request; with a body it also gets a Content-Length."""
    if body is not None:
        fields = (*fields, (b"Content-Length", b"%d" % len(body)))
    lines = [b"%s %s HTTP/1.1" % (method, target), *(b"%s: %s" % field for field in fields)]
    return b"\r\n".join([*lines, b"", body or b""])


class RawClient(RawConnection):
    """A client's connection."""

    @classmethod
    async def connect(
        cls,
        port: int,
        host: str = "127.0.0.1",
        *,
        tls: IOpenSSLClientConnectionCreator | None = None,
        receive_buffer: int | None = None,
    ) -> RawClient:
        """Connect.

        Parameters:
            tls: how to check the server's certificate; without it the connection is TCP.
            receive_buffer: how many bytes the kernel may hold for a client that does not read; by default its
                own choice, some MiB on loopback.
        """
        endpoint: IStreamClientEndpoint = TCP4ClientEndpoint(reactor, host, port)
        if tls is not None:
            endpoint = wrapClientTLS(tls, endpoint)
        client: RawClient = await connectProtocol(endpoint, cls())
        if receive_buffer is not None:
            client.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        return client

    async def read_response(self, *, bodyless: bool = False) -> RawResponse:
        """Take the next answer, an interim one (1xx) too.

        Parameters:
            bodyless: it answers a HEAD.

        Raises:
            NeverError: the connection ended before the end of the head.
            MalformedError: it is no HTTP/1.1 answer.
        """
        start = self._position
        head = await read_head(self)
        match = _STATUS_LINE.fullmatch(head.first_line)
        if match is None:
            raise MalformedError(f"no status line: {head.first_line!r}")
        status = int(match[1])
        body = await self._read_body(head, bodyless or status < 200 or status in (204, 304))
        return self._response(status, match[2], head, body, bytes(self.received[start : self._position]))

    async def _read_body(self, head: Head, bodyless: bool) -> Body:
        length = content_length(head.fields)
        chunked = is_chunked(head.fields)
        if bodyless:
            return Body("length")
        if chunked:
            return await read_chunks(self)
        if length is not None:
            return await read_length(self, length)
        rest = await self.to_the_end()
        return Body("close", (rest,) if rest else (), complete=self.ended == "close")

    def _response(self, status: int, reason: bytes, head: Head, body: Body, raw: bytes) -> RawResponse:
        ended: Literal["length", "chunked", "close", "aborted"]
        if body.complete and body.framing != "close":
            ended = "chunked" if body.framing == "chunked" else "length"
        else:
            ended = self._ending()
        return RawResponse(
            status=status,
            reason=reason,
            fields=head.fields,
            body=b"".join(body.pieces),
            raw=raw,
            complete=body.complete,
            ended=ended,
            chunks=body.pieces,
            trailers=body.trailers,
        )
