"""The IAgent below treq's client: one provider's connections, kept open between requests.

The agent speaks HTTP/1.1 through `clipal.upstream.connection`. Fields and targets stay the raw bytes that they are. The
agent sends no request twice. A request that met a stale connection fails with a StaleConnection, and the other unused
connections are closed, so that the caller can send the request again on a fresh one (RFC 9112, 9.3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer
from zope.interface import implementer

from clipal.config.reach import ForwardProxy, Trust
from clipal.process.descriptors import Descriptors
from clipal.transport.resolver import SharedResolver
from clipal.upstream.connection import Connection
from clipal.upstream.connector import Connector
from clipal.upstream.response import Response
from clipal.upstream.target import Target

RawFields = Sequence[tuple[bytes, bytes]]
_UPGRADE: Final = b"\r\nUpgrade: "
"""In a request's head: the field as twisted.web and `clipal.wire.websocket` spell it; no value holds a line's end."""


@implementer(IAgent)
class Agent:
    """Sends requests to one provider.

    Parameters:
        connect_timeout: seconds for a connection, its TLS handshake included; 0 for no limit.
        idle_timeout: seconds that an unused connection is kept. Providers close theirs after 60 s and more.
        max_idle: how many unused connections are kept. A client's burst of requests opens a dozen at once.
        resolver: looks names up; by default a new one.
        descriptors: shared with all other connections; without them, there is no limit.
        trust: the certificates for TLS; by default the system's.
        proxy: the forward proxy for all connections; None for none.

    Attributes:
        connector: makes its connections.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        target: Target,
        *,
        connect_timeout: float,
        idle_timeout: float = 90.0,
        max_idle: int = 32,
        resolver: SharedResolver | None = None,
        descriptors: Descriptors | None = None,
        trust: Trust | None = None,
        proxy: ForwardProxy | None = None,
    ) -> None:
        self._reactor = reactor
        self._target = target
        self.connector = Connector(reactor, target, connect_timeout, resolver=resolver, trust=trust, proxy=proxy)
        self._idle_timeout = idle_timeout
        self._max_idle = max_idle
        self._descriptors = descriptors or Descriptors()
        self._idle: list[Connection] = []
        self._closed = False

    def request(  # type: ignore[override]  # a Deferred is invariant: IAgent promises no more than an IResponse
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | RawFields | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[Response]:
        """Sends one request to the provider.

        Parameters:
            uri: absolute, and below the target's origin.
            headers: raw fields go out as they are; they must hold Host and a body's framing, which Headers and None
                get. With an Upgrade field a 101 is an answer, on a connection of its own.

        Returns:
            a Deferred that fires with the `Response` when its head has come. It fails with an UpstreamError: with a
            StaleConnection if the request may be sent again. Cancelling it aborts the connection.

        Raises:
            ValueError: a body without a length.
        """
        fields = headers if headers.__class__ is list else self._framed(headers, bodyProducer)
        target = uri[len(self._target.origin) :] or b"/"
        head = b"\r\n".join([b"%b %b HTTP/1.1" % (method, target), *map(b": ".join, fields), b"\r\n"])
        upgrade = _UPGRADE in head
        connection = None if upgrade else self._take_idle()
        if connection is None:
            return Deferred.fromCoroutine(self._send_fresh(method, head, bodyProducer, upgrade=upgrade))
        return connection.send(method, head, bodyProducer)

    def _framed(self, headers: Headers | RawFields | None, body: IBodyProducer | None) -> RawFields:
        """The fields of a caller that leaves Host and the framing to the agent, as with twisted.web's Agent."""
        if not isinstance(headers, Headers | None):
            return headers
        headers = Headers() if headers is None else headers.copy()
        if not headers.hasHeader(b"host"):
            headers.addRawHeader(b"Host", self._target.host_field)
        if body is not None:
            if body.length is UNKNOWN_LENGTH:
                raise ValueError("a body without a length")
            headers.setRawHeaders(b"Content-Length", [b"%d" % body.length])
        return [(name, value) for name, values in headers.getAllRawHeaders() for value in values]

    async def _send_fresh(self, method: bytes, head: bytes, body: IBodyProducer | None, *, upgrade: bool) -> Response:
        connection = await self._connect()
        return await connection.send(method, head, body, upgrade=upgrade)

    async def reach(self) -> None:
        """Makes a connection, including its TLS handshake, and closes it. Sends no request.

        Raises:
            UpstreamError: no connection could be made.
        """
        (await self._connect()).close()

    def _connect(self) -> Deferred[Connection]:
        return self.connector.connect(lambda: Connection(self._reactor.seconds, self._free, self._lost))

    # The pool

    def _take_idle(self) -> Connection | None:
        """The connection that was in use last; None if none is unused.

        One on which something has come is ended: surplus bytes behind its last answer would be taken for the next one,
        and one that the provider has closed carries no request.
        """
        while self._idle:
            connection = self._idle[-1]
            if not connection.transport.has_unread():
                self._descriptors.free += 1
                return self._idle.pop()
            connection.abort()
        return None

    def _free(self, connection: Connection) -> None:
        if self._closed or len(self._idle) >= self._max_idle or self._descriptors.free <= 0:
            connection.close()
            return
        connection.idle_since = self._reactor.seconds()
        self._idle.append(connection)
        self._descriptors.free -= 1

    def _lost(self, connection: Connection, stale: bool) -> None:
        """Forgets a connection. If it was stale, so are the others, because they have been unused for longer."""
        if connection in self._idle:
            self._idle.remove(connection)
            self._descriptors.free += 1
        while stale and self.close_longest_idle():
            pass

    def close_idle(self) -> None:
        """Closes the connections that have been unused for too long; called every few seconds."""
        oldest = self._reactor.seconds() - self._idle_timeout
        for connection in [each for each in self._idle if each.idle_since < oldest]:
            connection.close()

    @property
    def idle_since(self) -> float | None:
        """When the longest unused connection became unused, on the reactor's clock; None if none is unused."""
        return self._idle[0].idle_since if self._idle else None

    def close_longest_idle(self) -> bool:
        """Closes the connection that has been unused for longest; False if none is unused."""
        if not self._idle:
            return False
        self._idle[0].close()
        return True

    def close(self) -> None:
        """Closes the unused connections. Those in use are closed when their requests end."""
        self._closed = True
        for connection in list(self._idle):
            connection.close()
