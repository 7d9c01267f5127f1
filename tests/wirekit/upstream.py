"""A scripted upstream: it records what it is sent, byte for byte, and answers each request by a script.

    upstream = ScriptedUpstream.start(answer(503), (*chunked(b"a", last=False), Reset()))

The first request gets the first script, the second one the second; the last script answers all further
ones, on whatever connection they come. A script is a sequence of steps, or a function of the request that
returns one. A request that is not HTTP/1.1 is logged as a failure, which fails the test.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TypeAlias

from attrs import frozen
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred, DeferredQueue, gatherResults, maybeDeferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.internet.ssl import ContextFactory
from twisted.logger import Logger
from twisted.python.failure import Failure

from tests.wirekit.connection import RawConnection
from tests.wirekit.message import (
    Body,
    Fields,
    MalformedError,
    content_length,
    is_chunked,
    read_chunks,
    read_head,
    read_length,
    values,
)
from tests.wirekit.steps import Steps
from tests.wirekit.waiting import DEADLINE, reactor, within


@frozen
class RecordedRequest:
    """A request as it was on the wire.

    Attributes:
        raw_head: from the request line to the empty line.
        fields: names, order and duplicates as they came.
        body: without chunked coding.
        connection: the number of the connection that it came on, from 0.
    """

    raw_head: bytes
    method: bytes
    target: bytes
    fields: Fields
    body: bytes
    connection: int

    def values(self, name: bytes) -> list[bytes]:
        """The values of all fields of a name, in any case."""
        return values(self.fields, name)


Script: TypeAlias = Steps | Callable[[RecordedRequest], Steps]


class UpstreamConnection(RawConnection):
    """One connection to a scripted upstream; `number` counts from 0, and `lost` is why it was."""

    deadline = None
    lost: Failure | None = None
    _log = Logger()

    def __init__(self, upstream: ScriptedUpstream, number: int) -> None:
        super().__init__()
        self.number = number
        self._upstream = upstream

    def connectionMade(self) -> None:
        super().connectionMade()
        self._serving = Deferred.fromCoroutine(self._serve())
        self._serving.addErrback(self._stopped)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._serving.cancel()
        self.lost = reason
        super().connectionLost(reason)
        self._upstream.connection_lost(self)

    async def _serve(self) -> None:
        await self._perform(self._upstream.on_connect)
        while True:
            request = await read_request(self, self.number)
            await self._perform(self._upstream.steps_for(request))

    async def _perform(self, steps: Steps) -> None:
        for step in steps:
            await step.run(self)

    def _stopped(self, reason: Failure) -> None:
        if not reason.check(CancelledError, ConnectionLost):
            self._log.failure("An upstream's script failed", failure=reason)
            self.abort()


async def read_request(connection: RawConnection, number: int) -> RecordedRequest:
    """Take the next request off a connection; `MalformedError` if it is none."""
    head = await read_head(connection)
    method, target = _request_line(head.first_line)
    length = content_length(head.fields)
    if is_chunked(head.fields):
        body = await read_chunks(connection)
    else:
        body = Body("length") if length is None else await read_length(connection, length)
    return RecordedRequest(head.raw, method, target, head.fields, b"".join(body.pieces), number)


def _request_line(line: bytes) -> tuple[bytes, bytes]:
    parts = line.split(b" ")
    if len(parts) != 3 or not all(parts) or parts[2] != b"HTTP/1.1":
        raise MalformedError(f"no request line: {line!r}")
    return parts[0], parts[1]


class ScriptedUpstream(ServerFactory):
    """An upstream on a free port of 127.0.0.1.

    Attributes:
        requests: all requests that arrived whole, on whatever connection.
        connections: all connections that there were, with the bytes that each received.
        on_connect: the steps that each connection begins with.
    """

    noisy = False
    _listening: IListeningPort

    def __init__(self, scripts: tuple[Script, ...], on_connect: Steps, scheme: str) -> None:
        self.requests: list[RecordedRequest] = []
        self.connections: list[UpstreamConnection] = []
        self.on_connect = on_connect
        self._scripts = scripts
        self._scheme = scheme
        self._arrived: DeferredQueue[RecordedRequest] = DeferredQueue()
        self._lost: DeferredQueue[UpstreamConnection] = DeferredQueue()
        self._numbers = count()

    @classmethod
    def start(
        cls,
        *scripts: Script,
        on_connect: Steps = (),
        tls: ContextFactory | None = None,
        scheme: str | None = None,
    ) -> ScriptedUpstream:
        """Listen.

        Parameters:
            scripts: what each request is answered with, in turn; needless where none is to arrive whole.
            tls: the server's side of TLS; without it the upstream speaks TCP.
            scheme: of `base_url`, where it is to promise something else: `https` without `tls`, on
                connections that begin with `Hang`, is a TLS black hole.
        """
        upstream = cls(scripts, on_connect, scheme or ("http" if tls is None else "https"))
        if tls is None:
            upstream._listening = reactor.listenTCP(0, upstream, interface="127.0.0.1")
        else:
            upstream._listening = reactor.listenSSL(0, upstream, tls, interface="127.0.0.1")
        return upstream

    @property
    def port(self) -> int:
        """The TCP port."""
        address = self._listening.getHost()
        assert isinstance(address, IPv4Address)
        return address.port

    @property
    def base_url(self) -> str:
        """Its URL without a path."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> list[UpstreamConnection]:
        """The connections that have not ended yet."""
        return [connection for connection in self.connections if connection.ended is None]

    def next_request(self, deadline: float = DEADLINE) -> Deferred[RecordedRequest]:
        """The next request that was not returned by this method yet."""
        return within(self._arrived.get(), self._so_far, deadline)

    def next_connection_lost(self, deadline: float = DEADLINE) -> Deferred[UpstreamConnection]:
        """The next connection to end that was not returned by this method yet."""
        return within(self._lost.get(), self._so_far, deadline)

    async def close(self) -> None:
        """Stop listening, abort all connections, and wait until that is done."""
        await maybeDeferred(self._listening.stopListening)
        still_open = self.open_connections
        for connection in still_open:
            connection.abort()
        await gatherResults([connection.closed() for connection in still_open])

    def _so_far(self) -> str:
        return f"{len(self.connections)} connections, {len(self.requests)} requests: {self.requests[-5:]!r}"

    # What the connections tell.

    def buildProtocol(self, addr: IAddress | None) -> UpstreamConnection:
        connection = UpstreamConnection(self, next(self._numbers))
        self.connections.append(connection)
        return connection

    def steps_for(self, request: RecordedRequest) -> Steps:
        """Record a request; return the steps that answer it."""
        script = self._scripts[min(len(self.requests), len(self._scripts) - 1)]
        self.requests.append(request)
        self._arrived.put(request)
        return script(request) if callable(script) else script

    def connection_lost(self, connection: UpstreamConnection) -> None:
        """Record the end of a connection."""
        self._lost.put(connection)
