"""Relays an answer's body to the client with backpressure, and ends it as the provider ended it.

A whole body ends as HTTP ends a body. A body breaks off if the provider resets the connection, leaves out the body's
end, or is silent for longer than the idle timeout. Then the client gets the bytes that came, and its connection is
aborted, so that it notices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol, IPushProducer, ITransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from clipal.downstream.request import Request
from clipal.downstream.splice import Splice
from clipal.failover.trail import Ending
from clipal.upstream.connection import Connection
from clipal.upstream.response import WHOLE
from clipal.wire.fields import last_chunk, response_head
from clipal.wire.message import Fields, ResponseHead

_log = Logger()


@implementer(IProtocol, IPushProducer)
class Relay:
    """Relays the body of one committed answer: its beginning, its end, and what may happen between.

    Parameters:
        trailers: returns the trailers; called when the body is complete.
        idle_timeout: seconds in which the provider must send something while the client takes it; 0 for no limit.
        ended: called with how the answer ended.
        own: fields that clipal adds to the head.

    Attributes:
        splice: passes each piece of the body on, and knows how much was sent.
    """

    __slots__ = (
        "_chunked",
        "_ended",
        "_idle_timeout",
        "_request",
        "_silence",
        "_trailers",
        "_transport",
        "_unsent",
        "splice",
    )

    def __init__(
        self,
        request: Request,
        head: ResponseHead,
        trailers: Callable[[], Fields],
        idle_timeout: float,
        ended: Callable[[Ending], None],
        own: bytes = b"",
    ) -> None:
        self._request = request
        self._trailers = trailers
        self._idle_timeout = idle_timeout
        self._ended: Callable[[Ending], None] | None = ended
        self._chunked, self._unsent = _head_for(request, head, own)
        self._silence = request.channel.silence
        self.splice = Splice(request.transport, request.channel.site.reactor.seconds, chunked=self._chunked)

    # The body

    def makeConnection(self, transport: ITransport) -> None:
        """Begins to relay; `transport` can be paused, resumed and stopped."""
        self._transport = cast("IPushProducer", transport)
        self.connectionMade()

    def connectionMade(self) -> None:
        self._request.started = True
        self._request.on_disconnect = self._client_disconnected
        self._silence.begin(self._idle_timeout, self._look_for_silence)
        self._request.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        """Passes on a piece that does not come straight from the socket."""
        if not data and self._chunked:
            return  # an empty chunk would end the body
        head, self._unsent = self._unsent, b""
        self.splice.pass_on(data, head)

    def join(self) -> None:
        """Joins the sockets: the rest of the body needs no relay, unless something seldom happens."""
        transport = self._transport
        if not self._unsent and isinstance(transport, Connection):  # another agent's body comes through the relay
            self.splice.join(transport)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 (never changed)
        try:
            self._body_ended(reason)
        except Exception:
            _log.failure("Bug at the end of {id}", id=self._request.id)
            self._request.fail()  # else the client would wait for its next answer without end

    def _body_ended(self, reason: Failure) -> None:
        if self._ended is None:
            return
        if reason is not WHOLE:
            self._break_off(Ending.CUT)
            return
        rest = self._unsent + (last_chunk(self._trailers()) if self._chunked else b"")
        if rest:
            self._request.transport.write(rest)
        self._end(Ending.WHOLE)
        self._request.finish()

    # Early ends

    def _look_for_silence(self) -> None:
        """Breaks off if nothing has come for too long. The splice only notes when something comes."""
        now = self._request.channel.site.reactor.seconds()
        left = self.splice.heard_at + self._idle_timeout - now
        if left > 0:
            self._silence.set(left)
            return
        self._transport.stopProducing()
        self._break_off(Ending.SILENT)

    def _client_disconnected(self) -> None:
        self._transport.stopProducing()
        self._end(Ending.CLIENT_DISCONNECTED)

    def _break_off(self, ending: Ending) -> None:
        self._end(ending)
        self._request.abort()

    def _end(self, ending: Ending) -> None:
        self._silence.end()
        self._request.on_disconnect = None
        ended, self._ended = self._ended, None
        self._trailers = list  # so that relay and answer, which refer to each other, are freed at once
        if ending is not Ending.CLIENT_DISCONNECTED:
            self._request.unregisterProducer()
        if ended is not None:
            ended(ending)

    # IPushProducer: the client's transport pauses and resumes the provider

    def pauseProducing(self) -> None:
        self._silence.clear()
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        self._silence.set(self._idle_timeout)
        self._transport.resumeProducing()

    def stopProducing(self) -> None:
        """The client's connection is lost; `on_disconnect` follows."""


def write_whole(request: Request, head: ResponseHead, body: bytes, trailers: Fields, own: bytes = b"") -> None:
    """Writes a whole answer at once. The caller calls `finish`."""
    chunked, data = _head_for(request, head, own)
    if chunked:
        data += (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + last_chunk(trailers)
    else:
        data += body
    request.started = True
    request.on_disconnect = None
    request.transport.write(data)


def _head_for(request: Request, head: ResponseHead, own: bytes) -> tuple[bool, bytes]:
    """Whether the body goes to the client in chunks, and the bytes of the head."""
    modern = request.head.version == "1.1"
    unbounded = head.has_body and b"content-length" not in head.table
    if unbounded and not modern:
        request.channel.close_behind()
    chunked = unbounded and modern
    # The client's version decides which Connection field is the default and is left out.
    connection = b"close" if request.channel.closes_behind() else None if modern else b"keep-alive"
    data = response_head(head, chunked=chunked, connection=connection)
    return chunked, with_fields(data, own) if own else data


def with_fields(head: bytes, own: bytes) -> bytes:
    """`head` with clipal's own fields after the others."""
    return b"%b%b\r\n" % (head[:-2], own)
