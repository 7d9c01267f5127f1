"""A WebSocket through clipal: failover at the handshake, then bytes in both directions until either side ends.

A provider is asked with the client's own handshake, as for any request. Where nobody takes it, the client gets the 426
that it would have got without any of this, and sends a POST. After a 101 nothing is looked at any more. Each side
goes only as fast as the other one reads; a clean end is passed on behind the last byte, and a cut is a cut.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection as TCPConnection
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from clipal.dialects.dialect import Dialect
from clipal.downstream.admission import WEBSOCKET_REFUSED
from clipal.downstream.request import Request
from clipal.downstream.request_line import Delivery, log_request
from clipal.failover.failover import Failover
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.trail import Ending, Trail
from clipal.providers.tally import DISCONNECTED_STATUS
from clipal.transport.deadline import Deadline
from clipal.upstream.body import BytesBody
from clipal.upstream.connection import Connection
from clipal.upstream.credentials import client_carrier
from clipal.upstream.request import UpstreamRequest
from clipal.upstream.response import WHOLE
from clipal.wire.websocket import switching_head

_FLUSH: Final = 30.0
"""Seconds in which a provider must have taken the last bytes of a client that has ended."""
_log = Logger()


class Tunnel:
    """One request that opens a WebSocket, from its head to the one line that is logged of it."""

    def __init__(self, request: Request, dialect: Dialect, failover: Failover) -> None:
        self._request = request
        self._dialect = dialect
        self._failover = failover
        self._clock = request.channel.site.reactor
        self._trail = Trail()
        self._path = request.path[len(dialect.prefix) + 1 :]
        self._tally = failover.route.tally

    def begin(self) -> None:
        """Starts the attempts; their end, or the client's, ends the tunnel."""
        self._tally.began()
        opening = Deferred.fromCoroutine(self._open())
        if not opening.called:  # else the tunnel is open already, or was declined
            self._request.client_gone = opening.cancel
        opening.addErrback(self._failed)

    async def _open(self) -> None:
        request = self._request
        carrier = client_carrier(request.head, request.query, self._dialect.carrier)
        call = UpstreamRequest(request.head, self._path, request.query, BytesBody(), carrier, opens_websocket=True)
        result = await self._failover.answer(call, self._trail, request.channel.first_byte)
        if isinstance(result, HeldAnswer) and result.head.status == 101:
            self._join(result)
            return
        if isinstance(result, HeldAnswer):
            result.let_go()
        self._decline()

    def _join(self, answer: HeldAnswer) -> None:
        def ended(ending: Ending) -> None:
            answer.ended(ending)
            received = self._request.received + ends.up
            self._report(Delivery(101, answer.provider, received, ends.down, opened), ending)

        ends, opened = _Ends(self._request, ended), self._clock.seconds()
        try:
            head = switching_head(answer.head)
            self._request.startedWriting = 1
            self._request.transport.write(head)
            answer.hand_on(ends)
        except Exception:
            answer.let_go()
            raise

    def _decline(self) -> None:
        request = self._request
        request.client_gone = None
        request.channel.close_behind()
        request.answer(WEBSOCKET_REFUSED.refused, WEBSOCKET_REFUSED.message)
        self._report(Delivery(WEBSOCKET_REFUSED.refused.value), Ending.WHOLE)

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            self._report(Delivery(None), Ending.CLIENT_GONE)
            return
        _log.failure("Bug while opening {id}", failure, id=self._request.id)
        self._request.client_gone = None
        self._request.channel.close_behind()
        self._request.fail()
        self._report(Delivery(HTTPStatus.INTERNAL_SERVER_ERROR.value), Ending.WHOLE)

    def _report(self, delivery: Delivery, ending: Ending) -> None:
        request, now, status = self._request, self._clock.seconds(), delivery.status
        counted = DISCONNECTED_STATUS if status is None or ending is Ending.CLIENT_GONE else status
        self._tally.ended(counted, now - request.began, delivery.received, delivery.sent)
        via = "" if delivery.provider is None else f" via {delivery.provider}"
        log_request(
            request,
            self._dialect,
            self._trail,
            delivery,
            result=f"{status or '-'}{via}" + ("" if ending is Ending.WHOLE else f", {ending.value}"),
            transferred=f"{delivery.received} bytes up, {delivery.sent} bytes down",
            warns=ending is Ending.CUT,
            now=now,
        )


@implementer(IPushProducer)
class _Ends(Protocol):
    """Both ends of an open tunnel. To the provider it is the protocol, to the client's transport a producer.

    Parameters:
        ended: called once, with how it ended.

    Attributes:
        up: bytes that went to the provider.
        down: bytes that went to the client.
    """

    transport: Connection  # type: ignore[assignment]  # what a body's protocol gets

    def __init__(self, request: Request, ended: Callable[[Ending], None]) -> None:
        self._request = request
        self._client: TCPConnection = request.transport
        self._ended: Callable[[Ending], None] | None = ended
        self._left = Deadline(request.channel.site.reactor)
        self.up = self.down = 0

    def connectionMade(self) -> None:
        self._provider = self.transport.transport
        self._provider.registerProducer(_Reading(self._client), True)
        self._request.client_gone = self._client_gone
        self._request.registerProducer(self, True)
        self._request.channel.upgrade(self._from_client)

    def _from_client(self, data: bytes) -> None:
        if self._ended is not None:
            self.up += len(data)
            self._provider.write(data)

    def dataReceived(self, data: bytes) -> None:
        """From the provider."""
        if self._ended is not None:
            self.down += len(data)
            self._client.write(data)

    # Its end

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 (never changed)
        """The provider has ended, cleanly or not."""
        self._left.close()
        if self._ended is None:
            return
        whole = reason is WHOLE
        self._end(Ending.WHOLE if whole else Ending.CUT)
        if whole:
            self._request.channel.close_behind()
            self._request.finish()
        else:
            self._request.abort()

    def _client_gone(self) -> None:
        self._provider.unregisterProducer()
        lost = self._request.lost
        if lost is not None and lost.check(ConnectionDone):
            self._end(Ending.WHOLE)
            self._flush()
        else:
            self._end(Ending.CLIENT_GONE)
            self.transport.stopProducing()

    def _flush(self) -> None:
        """Lets the provider have what is still to be sent, then the end."""
        self._left.begin(_FLUSH, self.transport.stopProducing)
        self._provider.loseConnection()

    def _end(self, ending: Ending) -> None:
        self._request.client_gone = None
        ended, self._ended = self._ended, None
        if self._request.channel is not None:
            self._request.unregisterProducer()
            self._client.resumeProducing()  # to see its end
        if ended is not None:
            ended(ending)

    # IPushProducer: the client says how fast the provider may go

    def pauseProducing(self) -> None:
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """The client's connection is going away; `client_gone` follows."""


@implementer(IPushProducer)
class _Reading:
    """What comes from `client`: the provider says how fast it may."""

    def __init__(self, client: TCPConnection) -> None:
        self.pauseProducing = client.pauseProducing
        self.resumeProducing = client.resumeProducing

    def stopProducing(self) -> None:
        """The provider's connection is going away; the tunnel is told of that as its protocol."""
