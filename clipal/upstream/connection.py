"""One connection to a provider: writes a request, feeds the parser, delivers the answer's body; then the next one.

A connection carries one request at a time. It belongs to an agent, which is told when it is free again and, once, when
it is gone. Whatever ends a request early (a client's disconnect, a timeout, a broken answer) ends the connection too.
What a connection does at any time is its `ConnectionState`; every change of it goes through `Connection._become`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection as TCPConnection
from twisted.python.failure import Failure
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from clipal.upstream.body import BytesBody
from clipal.upstream.errors import AnswerCut, BrokenAnswer, ConnectionBroken, StaleConnection
from clipal.upstream.response import WHOLE, Response
from clipal.wire.message import END, BadMessage, ResponseHead
from clipal.wire.response_parser import ResponseParser

_ONE_WRITE: Final = 64 * 1024
"""A body up to so many bytes goes out in one write with its head."""
STALE_WITHIN: Final = 1.0
"""Seconds behind the last byte sent within which a used connection that is lost is stale: it had been closed while it
was idle, or the provider cannot have worked on the request."""


class ConnectionState(IntEnum):
    """What a connection does. Integers, for those of an Enum are slow to look up."""

    IDLE = 0
    """Nothing: it waits for a request."""
    ASKED = 1
    """It sends a request, or has sent it, and no byte of an answer has come."""
    HEARD = 2
    """An answer has begun; its head is not complete."""
    ANSWERING = 3
    """An answer's head is complete; its body is not."""
    GONE = 4
    """It carries nothing any more."""


_IDLE, _ASKED, _HEARD, _ANSWERING, _GONE = ConnectionState
_NEXT: Final = {
    _IDLE: frozenset([_ASKED, _GONE]),
    _ASKED: frozenset([_HEARD, _GONE]),
    _HEARD: frozenset([_ANSWERING, _GONE]),
    _ANSWERING: frozenset([_IDLE, _GONE]),
    _GONE: frozenset[ConnectionState](),
}
"""What may follow what."""


@implementer(IPushProducer)
class Connection(Protocol):
    """The client's side of one connection to a provider.

    Parameters:
        seconds: of a clock that nobody sets.
        free: called when an answer is complete and the connection can be used again.
        lost: called once, when it cannot be used any more; its second argument says whether it was stale.

    Attributes:
        idle_since: when its last answer was complete.
    """

    transport: TCPConnection

    def __init__(
        self,
        seconds: Callable[[], float],
        free: Callable[[Connection], None],
        lost: Callable[[Connection, bool], None],
    ) -> None:
        self._seconds = seconds
        self._free = free
        self._lost = lost
        self._parser = ResponseParser()
        self._state = _IDLE
        self._waiter: Deferred[Response] | None = None  # while ASKED or HEARD
        self._response: Response | None = None  # while ANSWERING
        self._body: IBodyProducer | None = None  # until it is sent: an answer may come before
        self._sent_at = 0.0
        self._used = False
        self._paused = False
        self.idle_since = 0.0

    def _become(self, state: ConnectionState) -> None:
        assert state in _NEXT[self._state], f"{state!r} after {self._state!r}"
        self._state = state

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        if isinstance(self.transport, TCPConnection):
            self.transport.protocol = self  # in place of an endpoint's wrapper, which has done its work by now

    # Sending

    def send(
        self, method: bytes, head: bytes, body: IBodyProducer | None, *, upgrade: bool = False
    ) -> Deferred[Response]:
        """Sends one request.

        Parameters:
            head: the request line and the header section, as they go out.
            upgrade: whether it asks for a 101. The body of that is what the provider sends from then on, and the other
                direction is `transport`.

        Returns:
            a Deferred that fires with the answer at its head; it fails with an UpstreamError. Cancelling it closes the
            connection.
        """
        self._become(_ASKED)
        self._parser.expect(method, upgrade=upgrade)
        waiter = self._waiter = Deferred(lambda _: self.abort())
        if body is None:
            self.transport.write(head)
        elif isinstance(body, BytesBody) and body.length <= _ONE_WRITE:
            self.transport.write(head + body.whole)
        else:
            self.transport.write(head)
            self._body = body
            maybeDeferred(body.startProducing, self.transport).addCallbacks(self._body_sent, self._body_failed)
        self._sent_at = self._seconds()
        return waiter

    def _body_sent(self, _: None) -> None:
        self._body = None
        self._sent_at = self._seconds()

    def _body_failed(self, failure: Failure) -> None:
        """Whoever produces the body cannot, or could not even begin."""
        self._body = None
        self._break(failure, "the request broke off")
        self.transport.abortConnection()

    # Receiving

    def dataReceived(self, data: bytes) -> None:
        if self._state is _ASKED:
            self._become(_HEARD)
        elif self._state is _IDLE or self._state is _GONE:
            self.abort()  # nobody asked
            return
        told: Deferred[Response] | None = None
        for item in self._parser.feed(data):
            if isinstance(item, bytes):
                if self._response is not None:
                    self._response.body_received(item)
            elif item is END:
                self._complete()
            elif isinstance(item, ResponseHead):
                self._become(_ANSWERING)
                told, self._waiter = self._waiter, None
                response = self._response = Response(item, self)
            elif isinstance(item, BadMessage):
                self._break(Failure(BrokenAnswer(item.problem)), item.problem)
                self.transport.abortConnection()
        if told is not None:  # now, with all that one read brought: a small answer is whole by then
            told.callback(response)
            if self._response is response and response.protocol is None:
                self.pauseProducing()  # until somebody wants the body

    def _complete(self) -> None:
        response, self._response = self._response, None
        if response is None:  # stopped by whoever got the head
            return
        response.trailers = self._parser.trailers
        if self._parser.reusable and self._body is None:
            self._become(_IDLE)
            self._used = True
            self.resumeProducing()
            self._free(self)
        else:
            self.abort()
        response.body_ended(WHOLE)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 (never changed)
        if self._state is _ANSWERING and reason.check(ConnectionDone) and self._parser.eof() is END:
            self._complete()
        else:
            kind = StaleConnection if self._is_stale() else ConnectionBroken
            self._break(Failure(kind("connection lost")), "connection lost")

    def _is_stale(self) -> bool:
        """Whether a request that is lost with it cannot have been worked on."""
        return self._used and self._state is _ASKED and self._seconds() - self._sent_at < STALE_WITHIN

    def _break(self, failure: Failure, why: str) -> None:
        """Nothing more will come: whoever waits for a head gets the `failure`, who waits for a body hears `why`."""
        waiter, self._waiter = self._waiter, None
        response, self._response = self._response, None
        self._end(stale=failure.check(StaleConnection) is not None)
        if waiter is not None:
            waiter.errback(failure)
        if response is not None:
            response.body_ended(Failure(AnswerCut(why)))

    # IPushProducer, for the protocol that gets the body

    def pauseProducing(self) -> None:
        """Stops reading, unless the answer is over: a slow client must not hold a connection that is free again."""
        if self._state is _ANSWERING and not self._paused:
            self._paused = True
            self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        if self._paused and self._state is not _GONE:
            self._paused = False
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """As `abort`, so that a provider stops producing tokens."""
        self.abort()

    # The end

    def close(self) -> None:
        """Ends a connection that is idle, in good order: with a FIN."""
        if self._end():
            self.transport.loseConnection()

    def abort(self) -> None:
        """Ends it at once, whatever is under way; nobody is told."""
        self._waiter = self._response = None
        if self._end():
            self.transport.abortConnection()

    loseConnection = abortConnection = abort  # what a body's protocol may call the end of its transport

    def _end(self, *, stale: bool = False) -> bool:
        """Tells the agent; False where it is gone already."""
        if self._state is _GONE:
            return False
        self._become(_GONE)
        body, self._body = self._body, None
        if body is not None:
            body.stopProducing()
        self._lost(self, stale)
        return True
