"""Passes the bytes of a WebSocket on in both directions, until either side ends.

After a 101 no byte is looked at. Each side is read only as fast as the other side takes the bytes. A clean end is
passed on after the last byte, and a broken connection is passed on as an abort.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection as TCPConnection
from twisted.python.failure import Failure
from zope.interface import implementer

from clipal.downstream.request import Request
from clipal.failover.trail import Ending
from clipal.transport.deadline import Deadline
from clipal.upstream.connection import Connection
from clipal.upstream.response import WHOLE

_FLUSH: Final = 30.0
"""Seconds in which a provider must have taken the last bytes of a client that has ended."""


@implementer(IPushProducer)
class Tunnel(Protocol):
    """An open tunnel. It is the protocol of the provider's connection, and the producer of the client's transport.

    Parameters:
        ended: called with how the tunnel ended.

    Attributes:
        up: bytes that were sent to the provider.
        down: bytes that were sent to the client.
    """

    transport: Connection  # type: ignore[assignment]  # what a body's protocol gets

    def __init__(self, request: Request, ended: Callable[[Ending], None]) -> None:
        self._request = request
        self._client: TCPConnection = request.transport
        self._ended: Callable[[Ending], None] | None = ended
        self._flush_deadline = Deadline(request.channel.site.reactor)
        self.up = self.down = 0

    def connectionMade(self) -> None:
        self._provider = self.transport.transport
        self._provider.registerProducer(_Reading(self._client), True)
        self._request.on_disconnect = self._client_disconnected
        self._request.registerProducer(self, True)
        self._request.channel.upgrade(self._from_client)

    def _from_client(self, data: bytes) -> None:
        if self._ended is not None:
            self.up += len(data)
            self._provider.write(data)

    def dataReceived(self, data: bytes) -> None:
        """Sends bytes of the provider to the client."""
        if self._ended is not None:
            self.down += len(data)
            self._client.write(data)

    # The end

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 (never changed)
        """The provider has ended, cleanly or not."""
        self._flush_deadline.close()
        if self._ended is None:
            return
        whole = reason is WHOLE
        self._end(Ending.WHOLE if whole else Ending.CUT)
        if whole:
            self._request.channel.close_behind()
            self._request.finish()
        else:
            self._request.abort()

    def _client_disconnected(self) -> None:
        self._provider.unregisterProducer()
        lost = self._request.lost
        if lost is not None and lost.check(ConnectionDone):
            self._end(Ending.WHOLE)
            self._flush()
        else:
            self._end(Ending.CLIENT_DISCONNECTED)
            self.transport.stopProducing()

    def _flush(self) -> None:
        """Sends the provider what is still to be sent, then closes its connection."""
        self._flush_deadline.begin(_FLUSH, self.transport.stopProducing)
        self._provider.loseConnection()

    def _end(self, ending: Ending) -> None:
        self._request.on_disconnect = None
        ended, self._ended = self._ended, None
        if self._request.lost is None:
            self._request.unregisterProducer()
            self._client.resumeProducing()  # to notice when it disconnects
        if ended is not None:
            ended(ending)

    # IPushProducer: the client's transport pauses and resumes the provider

    def pauseProducing(self) -> None:
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """The client's connection is lost; `on_disconnect` follows."""


@implementer(IPushProducer)
class _Reading:
    """Reads from `client`, paused and resumed by the provider's transport."""

    def __init__(self, client: TCPConnection) -> None:
        self.pauseProducing = client.pauseProducing
        self.resumeProducing = client.resumeProducing

    def stopProducing(self) -> None:
        """The provider's connection is lost; `Tunnel.connectionLost` follows."""
