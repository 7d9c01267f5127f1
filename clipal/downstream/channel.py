"""One connection of a client: twisted.web's channel with a parser of clipal's own (`clipal.downstream.incoming`).

Requests are answered one at a time. While a request is answered, and while the client takes too little of what was
written, nothing further is parsed: bytes are kept as they came, and reading stops when they are many. Each turn of the
reactor begins one of the requests that are kept, so that a client with a thousand requests in one read does not hold up
others. Deadlines bound a head, a body, and the silence between requests; none of these runs while a request is
answered. A refused request is answered in its turn, and then the connection is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from clipal.downstream.admission import Refusal
from clipal.downstream.backpressure import Backpressure
from clipal.downstream.capacity import FULL
from clipal.downstream.channel_site import ChannelSite
from clipal.downstream.channel_state import CHANNEL_NEXT, ChannelState
from clipal.downstream.closing import Closing, unsent
from clipal.downstream.incoming import Incoming
from clipal.downstream.peer import Peer
from clipal.downstream.request import Request
from clipal.downstream.untaken import Untaken
from clipal.transport.deadline import Deadline
from clipal.transport.tcp import EagerServer


class Channel(HTTPChannel):
    """The server's side of one connection from a client.

    Attributes:
        first_byte: the deadline for the first byte of a provider's answer.
        silence: the deadline for each further piece of it. Both deadlines are kept by the connection, so that a request
            needs no timer of its own (docs/performance.md, "What brought it").
        source: where the connection comes from.
    """

    site: ChannelSite
    transport: EagerServer

    def __init__(self, site: ChannelSite) -> None:
        super().__init__()
        self.site = site
        self.factory = site
        self.first_byte = Deadline(site.reactor)
        self.silence = Deadline(site.reactor)
        self._state = ChannelState.READING
        self._incoming = Incoming(self)
        self._deadline = Deadline(site.reactor, self._expired)
        self._backpressure = Backpressure(self._resumed)
        self._current: Request | None = None
        self._receive_upgraded: Callable[[bytes], None] = self._incoming.keep
        self._closing: Closing | None = None

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self.transport.registerProducer(self._backpressure, True)
        self._untaken = Untaken(self.site.reactor, self.transport, self._idle_timeout)
        self.source = Peer.of(self.transport)
        if self.site.connection_made(self, self.source.address):
            self._wait()
        else:
            self.transport.write(self.site.refuse(FULL, None, self.source.address))
            self.close()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 (never changed)
        self._become(ChannelState.CLOSED)
        for deadline in (self._deadline, self.first_byte, self.silence, self._untaken):
            deadline.close()
        if self._closing is not None:
            self._closing.lost()
        try:
            incomplete = self._incoming.lost()
            if incomplete is not None:
                self.site.disconnected(incomplete)
            if self._current is not None:
                self._current.disconnected(reason)
        finally:  # also after a bug, so that there is room for another client
            self._current = None
            self.site.connection_lost(self)

    def _become(self, state: ChannelState) -> None:
        assert state in CHANNEL_NEXT[self._state], f"{state!r} after {self._state!r}"
        self._state = state

    def _expired(self) -> None:
        if self._incoming.idle:
            self.transport.loseConnection()
        else:
            self._begin(self._incoming.too_slow())

    @property
    def idle(self) -> bool:
        """Whether no request is coming in or being answered."""
        return self._state in (ChannelState.READING, ChannelState.FULL) and self._incoming.idle

    @property
    def idle_since(self) -> float:
        """Since when the connection is idle, on the reactor's clock; infinity while it is not."""
        until = self._deadline.at
        return until - self._incoming.patience() if self.idle and until is not None else inf

    @property
    def busy(self) -> bool:
        """Whether the client would lose a request or an answer if the connection ended now."""
        if self._state is ChannelState.CLOSING:
            return bool(unsent(self.transport))
        return self._state is not ChannelState.CLOSED and not self.idle

    def gives_way(self, before: float) -> bool:
        """Whether it has been idle since `before`, everything is sent, and the kernel has no bytes of a request."""
        return self.idle_since <= before and self.transport.waits_since is None and not self.transport.has_unread()

    # Receiving

    def dataReceived(self, data: bytes) -> None:
        state = self._state
        if state is ChannelState.READING:
            self._read(data)
        elif state is ChannelState.UPGRADED:
            self._receive_upgraded(data)
        elif state is not ChannelState.CLOSING:
            self._incoming.keep(data)

    def _read(self, data: bytes) -> None:
        """Parses `data`, and begins to answer the request that it completes."""
        ready = self._incoming.feed(data)
        if ready is None:
            self._wait()
        else:
            self._begin(ready)

    def _wait(self) -> None:
        """Waits for more from the client."""
        if self._incoming.continue_due:
            self._incoming.continue_due = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._deadline.set(self._incoming.patience())
        if self._incoming.overfull:
            self._incoming.read_on()  # last, because over TLS it may deliver bytes at once

    def drain(self) -> None:
        """A drain begins: an idle connection gets the deadline of a drain."""
        if self.idle and self._deadline.at is not None:
            self._wait()

    # Answering, in order

    def _begin(self, ready: Request | Refusal) -> None:
        """Begins to answer."""
        if isinstance(ready, Refusal):
            self.transport.write(self.site.refuse(ready, self._incoming.refused_head, self.source.address))
            self.close()
            return
        self._deadline.clear()
        self._become(ChannelState.ANSWERING)
        self._current = ready
        self.site.serve(ready, self)

    def _go_on(self) -> None:
        """Goes on behind an answer: with the bytes that are kept, or with what is still to come."""
        if self._backpressure.paused:
            self._become(ChannelState.FULL)
        elif self._incoming.has_kept:
            self._become(ChannelState.QUEUED)
            self.site.reactor.callLater(0, self._take_turn)
        else:
            self._become(ChannelState.READING)
            self._wait()

    def _take_turn(self) -> None:
        """Goes on with the bytes that are kept, unless the connection was lost meanwhile."""
        if self._state is ChannelState.QUEUED:
            self._become(ChannelState.READING)
            self._read(self._incoming.take_kept())

    def _resumed(self) -> None:
        """The client takes bytes again, and no producer is registered."""
        if self._state is ChannelState.FULL:
            self._go_on()

    def closes_behind(self) -> bool:
        """Whether the connection ends with the answer that is being begun.

        In a drain it does, unless the client has sent more already. If the head was written before the drain, it has no
        `Connection: close`, so the connection stays open for a while after that answer.
        """
        if self.site.drain.began and not self._incoming.has_kept:
            self._incoming.close()
        return self._incoming.last_is_in

    def close_behind(self) -> None:
        """Ends the connection with the answer that is being written."""
        self._incoming.close()

    def upgrade(self, receive: Callable[[bytes], None]) -> None:
        """Upgrades the connection: `receive` gets what the client sends, beginning with what has come already."""
        while self._incoming.overfull:
            self._incoming.read_on()
        self._become(ChannelState.UPGRADED)
        self._receive_upgraded = receive
        if self._incoming.has_kept:
            receive(self._incoming.take_kept())

    def answered(self) -> None:
        """The answer is written to its end: goes on with the next request, or closes the connection."""
        self._current = None
        if self._incoming.last_is_in or self._state is ChannelState.UPGRADED:
            self.close()
        else:
            self._go_on()

    def requestDone(self, request: object) -> None:
        """A page is written to its end: twisted.web's request calls this."""
        if self._current is not None:
            self._current.finish()

    # The two ways to end

    def close(self) -> None:
        """Ends the connection gracefully: the client gets what was written, then a FIN, and may end its own side."""
        self._begin_to_close().close()

    def abort(self) -> None:
        """Ends the connection so that the client notices: it gets what was written, then a reset."""
        self._current = None
        self._begin_to_close().abort()

    def _begin_to_close(self) -> Closing:
        self._become(ChannelState.CLOSING)
        self._deadline.clear()
        self._closing = Closing(self.site.reactor, self.transport, self._idle_timeout())
        return self._closing

    def _idle_timeout(self) -> float:
        return self.site.admission.client_idle_timeout

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        assert streaming, "only push producers answer here"
        self._backpressure.register(producer)

    def unregisterProducer(self) -> None:
        self._backpressure.unregister()
