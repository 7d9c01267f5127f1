"""One connection to a provider: it writes a request, feeds the parser, and delivers the answer's body.

A connection carries one request at a time. It belongs to an agent. It tells the agent when it can carry another request
and, once, when it cannot carry any more. Whatever ends a request early (a client's disconnect, a timeout, a broken
answer) ends the connection too. `ConnectionState` says what a connection does; `Connection._become` makes every change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from clipal.transport.tcp import SendsAtOnce
from clipal.upstream.body import BytesBody
from clipal.upstream.connection_state import CONNECTION_NEXT, IN_BODY, ConnectionState
from clipal.upstream.errors import AnswerCut, BrokenAnswer, ConnectionBroken, StaleConnection
from clipal.upstream.response import WHOLE, Response
from clipal.wire.message import END, BadMessage, ResponseHead, ResponseItem
from clipal.wire.response_parser import Body, ResponseParser

_ONE_WRITE: Final = 64 * 1024
"""A body up to so many bytes goes out in one write with its head."""
STALE_WITHIN: Final = 1.0
"""Seconds after the last byte sent. A used connection that is lost sooner, before any byte of an answer, is stale: most
probably the provider closed it while it was idle, and has not worked on the request."""
_IDLE, _ASKED, _HEARD, _ANSWERING, _SPLICED, _CLOSED = ConnectionState


@implementer(IPushProducer)
class Connection(Protocol):
    """The client's side of one connection to a provider.

    Parameters:
        seconds: the time of a monotonic clock.
        free: called when an answer is complete and the connection can be used again.
        lost: called once, when it cannot be used any more; its second argument says whether it was stale.

    Attributes:
        idle_since: when its last answer was complete.
    """

    transport: SendsAtOnce

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
        assert state in CONNECTION_NEXT[self._state], f"{state!r} after {self._state!r}"
        self._state = state

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self.transport.protocol = self  # not an endpoint's wrapper, which has no use after connecting

    # Sending

    def send(
        self, method: bytes, head: bytes, body: IBodyProducer | None, *, upgrade: bool = False
    ) -> Deferred[Response]:
        """Sends one request.

        Parameters:
            head: the request line and the header section, as they go out.
            upgrade: whether the request asks for a 101. The body of a 101 is all that the provider sends after it; the
                other direction is `transport`.

        Returns:
            a Deferred that fires with the answer when its head has come; it fails with an UpstreamError. Cancelling it
            aborts the connection.
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
        """The body's producer failed, perhaps before its first byte."""
        self._body = None
        self._break(failure, "the request broke off")
        self.transport.abortConnection()

    # Receiving

    def dataReceived(self, data: bytes) -> None:
        if self._state is _ASKED:
            self._become(_HEARD)
        elif self._state is _IDLE or self._state is _CLOSED:
            self.abort()  # bytes that answer no request
            return
        self._take(self._parser.feed(data))

    def _take(self, items: list[ResponseItem]) -> None:
        """Delivers what the parser has completed."""
        waiter: Deferred[Response] | None = None
        for item in items:
            if isinstance(item, bytes):
                if self._response is not None:
                    self._response.body_received(item)
            elif item is END:
                self._complete()
            elif isinstance(item, ResponseHead):
                self._become(_ANSWERING)
                waiter, self._waiter = self._waiter, None
                response = self._response = Response(item, self)
            elif isinstance(item, BadMessage):
                self._break(Failure(BrokenAnswer(item.problem)), item.problem)
                self.transport.abortConnection()
        if waiter is not None:  # after the loop: a small answer, which comes in one read, is complete by now
            waiter.callback(response)
            if self._response is response and response.protocol is None:
                self.pauseProducing()  # until `deliverBody`

    def spliced(self, protocol: IProtocol) -> Body | None:
        """Lets `protocol` take this connection's place at the socket until the answer's body has ended.

        It feeds the body itself, and calls `fed` and `connectionLost`.

        Returns:
            the body; None where the connection stays in its place.
        """
        if self._state is not _ANSWERING:
            return None
        body = self._parser.body()
        if body is not None:
            self._become(_SPLICED)
            self.transport.protocol = protocol
        return body

    def fed(self, data: bytes, error: Exception | None, taken: int) -> None:
        """Goes on where a feed of the body raised `error` or brought no content; see `ResponseParser.fed`."""
        self._take(self._parser.fed(data, error, taken))

    def _complete(self) -> None:
        response, self._response = self._response, None
        if response is None:  # dropped by `abort`
            return
        response.trailers = self._parser.trailers
        if self._parser.reusable and self._body is None:
            if self._state is _SPLICED:
                self.transport.protocol = self
            self._become(_IDLE)
            self._used = True
            self.resumeProducing()
            self._free(self)
        else:
            self.abort()
        response.body_ended(WHOLE)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 (never changed)
        if self._state in IN_BODY and reason.check(ConnectionDone) and self._parser.eof() is END:
            self._complete()
        else:
            kind = StaleConnection if self._is_stale() else ConnectionBroken
            self._break(Failure(kind("connection lost")), "connection lost")

    def _is_stale(self) -> bool:
        """Whether the request that is lost with it may be sent again; see `STALE_WITHIN`."""
        return self._used and self._state is _ASKED and self._seconds() - self._sent_at < STALE_WITHIN

    def _break(self, failure: Failure, why: str) -> None:
        """Ends the request: with `failure` before its head has come, with an AnswerCut that says `why` after that."""
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
        if self._state in IN_BODY and not self._paused:
            self._paused = True
            self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        if self._paused and self._state is not _CLOSED:
            self._paused = False
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """As `abort`, so that a provider stops producing tokens."""
        self.abort()

    # The end

    def close(self) -> None:
        """Ends an idle connection gracefully, with a FIN."""
        if self._end():
            self.transport.loseConnection()

    def abort(self) -> None:
        """Ends the connection at once, and drops a request in progress: it gets neither an answer nor an error."""
        self._waiter = self._response = None
        if self._end():
            self.transport.abortConnection()

    loseConnection = abortConnection = abort  # the names under which a body's protocol may end its transport

    def _end(self, *, stale: bool = False) -> bool:
        """Stops the body and tells the agent; False if the connection was closed before."""
        if self._state is _CLOSED:
            return False
        self._become(_CLOSED)
        body, self._body = self._body, None
        if body is not None:
            body.stopProducing()
        self._lost(self, stale)
        return True
