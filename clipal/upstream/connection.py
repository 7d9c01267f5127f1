"""One connection to a provider: writes a request, feeds the parser, delivers the answer's body; then the next one.

A connection carries one request at a time. It belongs to an agent, which is told when it is free again and when it is
gone. Whatever ends a request early (a client that left, a timeout, a broken answer) ends the connection too.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
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

_ONE_WRITE = 64 * 1024
"""A body up to so many bytes goes out in one write with its head."""


@implementer(IPushProducer)
class Connection(Protocol):
    """The client's side of one connection to a provider.

    Parameters:
        free: called when an answer is complete and the connection can be used again.
        lost: called when it cannot be used any more.
    """

    transport: TCPConnection

    def __init__(self, free: Callable[[Connection], None], lost: Callable[[Connection], None]) -> None:
        self._free = free
        self._lost = lost
        self._parser = ResponseParser()
        self._answering: Deferred[Response] | None = None
        self._response: Response | None = None
        self._sending: Deferred[None] | None = None
        self._used = False
        self._heard = False
        self._paused = False
        self._gone = False
        self.idle_since = 0.0

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
        self._parser.expect(method, upgrade=upgrade)
        self._heard = False
        answering = self._answering = Deferred(lambda _: self.stopProducing())
        if body is None:
            self.transport.write(head)
        elif isinstance(body, BytesBody) and body.length <= _ONE_WRITE:
            self.transport.write(head + body.whole)
        else:
            self.transport.write(head)
            self._sending = body.startProducing(self.transport)
            self._sending.addCallbacks(self._body_sent, lambda _: self.stopProducing())
        return answering

    def _body_sent(self, _: None) -> None:
        self._sending = None

    # Receiving

    def dataReceived(self, data: bytes) -> None:
        self._heard = True
        if self._response is None and self._answering is None:
            self._close()  # nobody asked
            return
        answering: Deferred[Response] | None = None
        for item in self._parser.feed(data):
            if isinstance(item, bytes):
                if self._response is not None:
                    self._response.body_received(item)
            elif item is END:
                self._complete()
            elif isinstance(item, ResponseHead):
                answering, self._answering = self._answering, None
                response = self._response = Response(item, self)
            elif isinstance(item, BadMessage):
                self._fail(BrokenAnswer(item.problem))
                self._close()
        if answering is not None:  # told now, with all that one read brought: a small answer is whole by then
            answering.callback(response)
            if self._response is response and response.protocol is None:
                self.pauseProducing()  # until somebody wants the body

    def _complete(self) -> None:
        response, self._response = self._response, None
        if response is None:  # stopped by whoever got the head
            return
        response.trailers = self._parser.trailers
        if self._parser.reusable and self._sending is None and not self._gone:
            self._used = True
            self.resumeProducing()
            self._free(self)
        else:
            self._close()
        response.body_ended(WHOLE)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 (never changed)
        self._gone = True
        self._lost(self)
        if reason.check(ConnectionDone) and self._response is not None and self._parser.eof() is END:
            self._complete()
        else:
            self._fail(None)

    def _fail(self, error: BrokenAnswer | None) -> None:
        """Tells whoever waits, for a head or for a body, that nothing more will come."""
        answering, self._answering = self._answering, None
        response, self._response = self._response, None
        if answering is not None:
            stale = self._used and not self._heard
            lost = StaleConnection("stale connection") if stale else ConnectionBroken("connection lost")
            answering.errback(Failure(error or lost))
        if response is not None:
            response.body_ended(Failure(AnswerCut(str(error) if error else "connection lost")))

    # IPushProducer, for the protocol that gets the body

    def pauseProducing(self) -> None:
        """Stops reading, unless the answer is over: a slow client must not hold a connection that is free again."""
        if self._response is not None and not self._gone and not self._paused:
            self._paused = True
            self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        if not self._gone and self._paused:
            self._paused = False
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """Closes at once, so that a provider stops producing tokens; nobody is told."""
        self._answering = self._response = None
        self._close()

    loseConnection = abortConnection = stopProducing

    def close(self) -> None:
        """Ends a connection that is not in use, in good order: with a FIN, where `stopProducing` resets it."""
        if not self._gone:
            self._gone = True
            self._lost(self)
            self.transport.loseConnection()

    def _close(self) -> None:
        """Closes at once, whatever is under way: what is still to be sent does not matter any more."""
        if not self._gone:
            self._gone = True
            self._lost(self)
            self.transport.abortConnection()
