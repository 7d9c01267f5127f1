"""twisted.web's channel, with a parser of our own (`clipal.downstream.incoming`).

One connection of a client. Its requests are answered one at a time. While one is answered, and while the client has not
taken what was written, nothing further is parsed: bytes are kept as they came, and reading stops when they are many. Of
what is kept one request is begun in each turn of the reactor, so that a client with a thousand requests in one read
holds up nobody else. Deadlines bound a head, a body, and the silence between requests; while a request is answered,
none is set. A request that may not come in is answered here, in its turn, and the connection is closed behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from clipal.config.addresses import plain_host
from clipal.downstream.access import Peer
from clipal.downstream.addresses import unmapped
from clipal.downstream.admission import Refusal
from clipal.downstream.backpressure import Backpressure
from clipal.downstream.capacity import FULL
from clipal.downstream.channel_site import ChannelSite
from clipal.downstream.channel_state import ChannelState, may_follow
from clipal.downstream.closing import Closing, unsent
from clipal.downstream.incoming import Incoming
from clipal.downstream.request import Request
from clipal.downstream.untaken import Untaken
from clipal.transport.deadline import Deadline
from clipal.transport.tcp import EagerServer


class Channel(HTTPChannel):
    """The server's side of one connection from a client.

    Attributes:
        first_byte: the deadline of what a provider answers first to the request that is being answered.
        silence: that of what it sends next. Both are the connection's, so that a request needs no timer of its own.
        peer: the client's address, without a port.
        source: the same, and whether it is this machine.
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
        self._current: Request | None = None
        self._backpressure = Backpressure(self._resumed)
        self._receive_upgraded: Callable[[bytes], None] | None = None
        self._advancing = False
        self._next_turn: IDelayedCall | None = None
        self._reading = True
        self._closing: Closing | None = None
        self._patience = 0.0

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self.transport.registerProducer(self._backpressure, True)
        self._untaken = Untaken(self.site.reactor, self.transport, self._idle_timeout)
        self._peer = unmapped(self.transport.getPeer())
        self.source = Peer.at(getattr(self._peer, "host", None), by_proxy=self.transport.proxied)
        self.peer = self.source.address
        # A UNIX socket has none, and no name of a host is empty.
        self.local_address = plain_host(getattr(self.transport.getHost(), "host", ""))
        if self.site.connection_made(self, self.peer):
            self._be_patient()
        else:
            self.transport.write(self.site.refuse(FULL, None, self.peer))
            self.close()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 (never changed)
        self._become(ChannelState.CLOSED)
        for deadline in (self._deadline, self.first_byte, self.silence, self._untaken):
            deadline.close()
        if self._next_turn is not None:
            self._next_turn.cancel()
        if self._closing is not None:
            self._closing.lost()
        current, self._current = self._current, None
        try:
            incomplete = self._incoming.lost()
            if incomplete is not None:
                self.site.disconnected(incomplete)
            if current is not None:
                current.disconnected(reason)
        finally:  # whatever a bug does: there is room for another client
            self.site.connection_lost(self)

    def _become(self, state: ChannelState) -> None:
        assert may_follow(state, self._state), f"{state} behind {self._state}"
        self._state = state

    def _expired(self) -> None:
        if self._incoming.idle:
            self.transport.loseConnection()
        else:
            self._incoming.too_slow()
            self._advance()

    @property
    def idle(self) -> bool:
        """Whether nothing is being asked or answered."""
        return self._state is ChannelState.READING and self._incoming.idle

    @property
    def idle_since(self) -> float:
        """Since when it is idle, on the reactor's clock; infinity while it is not."""
        until = self._deadline.at
        return until - self._patience if self.idle and until is not None else inf

    @property
    def busy(self) -> bool:
        """Whether a client would lose something if the connection ended now."""
        if self._state is ChannelState.CLOSING:
            return unsent(self.transport) > 0
        return self._state is not ChannelState.CLOSED and not self.idle

    def gives_way(self, before: float) -> bool:
        """Whether it has been idle since `before`, all is sent, and no request is in the kernel already."""
        return self.idle_since <= before and self.transport.waits_since is None and not self.transport.has_unread()

    # Receiving

    def dataReceived(self, data: bytes) -> None:
        state = self._state
        if state is ChannelState.READING and not self._backpressure.paused and self._next_turn is None:
            self._parse(data)
        elif state is ChannelState.UPGRADED:
            assert self._receive_upgraded is not None
            self._receive_upgraded(data)
        elif state is not ChannelState.CLOSING and not self._incoming.keep(data):
            self._reading = False
            self.transport.pauseProducing()

    def _parse(self, data: bytes) -> None:
        incoming = self._incoming
        was_in_head = incoming.in_head
        incoming.feed(data)
        if incoming.ready is not None:
            self._advance()
        elif was_in_head and incoming.in_head:
            return  # however it trickles
        else:
            self._wait()

    def _wait(self) -> None:
        """The client is to send something."""
        if self._incoming.continue_due:
            self._incoming.continue_due = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._be_patient()

    def _be_patient(self) -> None:
        self._patience = self._incoming.patience()
        self._deadline.set(self._patience)

    def drain(self) -> None:
        """A drain begins: if nothing is asked or answered, the connection ends soon."""
        if self.idle and self._deadline.at is not None:
            self._be_patient()

    # Answering, in order

    def _advance(self) -> None:
        """Answers what comes next; what is kept behind it is the next turn's, as an answer of our own takes no time."""
        if self._advancing or self._next_turn is not None:
            return
        self._advancing = True
        try:
            if self._state is ChannelState.READING and not self._backpressure.paused and self._incoming.advance():
                self._deadline.clear()
                self._begin()
        finally:
            self._advancing = False
        if self._state is not ChannelState.READING:
            return
        if self._incoming.has_kept and not self._backpressure.paused:
            self._next_turn = self.site.reactor.callLater(0, self._go_on)
            return
        if self._backpressure.paused:
            self._deadline.clear()
            return
        if not self._reading:
            self._reading = True
            self.transport.resumeProducing()
        self._wait()

    def _go_on(self) -> None:
        self._next_turn = None
        self._advance()

    def _begin(self) -> None:
        """Answers what is ready."""
        incoming = self._incoming
        ready, incoming.ready = incoming.ready, None
        if isinstance(ready, Refusal):
            self.transport.write(self.site.refuse(ready, incoming.refused_head, self.peer))
            self.close()
        elif ready is not None:
            self._become(ChannelState.ANSWERING)
            self._current = ready
            self.site.serve(ready, self)

    def closes_behind(self) -> bool:
        """Whether the connection ends with the answer whose head is being written.

        In a drain it does, unless the client has sent more already. An answer whose head was written before the drain
        has not said so: behind that one, the connection stays open for a while.
        """
        if self.site.draining and not self._incoming.has_kept:
            self._incoming.close()
        return self._incoming.last_is_in

    def close_behind(self) -> None:
        """Ends the connection with the answer that is being given: nothing else can show the end of it."""
        self._incoming.close()

    def upgrade(self, receive: Callable[[bytes], None]) -> None:
        """Leaves HTTP: whatever the client sends goes to `receive`, beginning with what has come already."""
        self._become(ChannelState.UPGRADED)
        self._receive_upgraded = receive
        self._reading = True
        self.transport.resumeProducing()
        early = self._incoming.take_kept()
        if early:
            receive(early)

    def answered(self) -> None:
        """The answer that was being given is written."""
        self._current = None
        if self._state is ChannelState.UPGRADED or self._incoming.last_is_in:
            self.close()
        else:
            self._become(ChannelState.READING)
            self._advance()

    def requestDone(self, request: object) -> None:
        """As `answered`, for a page: twisted.web's request calls it."""
        if self._current is not None:
            self._current.finish()

    # The two ways to end

    def close(self) -> None:
        """Ends the connection gracefully: the client gets what was written, then a FIN, and may end its own side."""
        self._begin_to_close().close()

    def abort(self) -> None:
        """Ends it so that the client must notice: it gets what was written, then a reset."""
        self._current = None
        self._begin_to_close().abort()

    def _begin_to_close(self) -> Closing:
        self._become(ChannelState.CLOSING)
        self._deadline.clear()
        closing = self._closing = Closing(self.site.reactor, self.transport, self._idle_timeout())
        return closing

    def _idle_timeout(self) -> float:
        return self.site.admission.client_idle_timeout

    def getPeer(self) -> IAddress:
        return self._peer

    def getHost(self) -> IAddress:
        return unmapped(self.transport.getHost())

    # What whoever answers writes is bound by what the client takes

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        assert streaming, "only push producers answer here"
        self._backpressure.register(producer)

    def unregisterProducer(self) -> None:
        self._backpressure.unregister()

    def _resumed(self) -> None:
        """The client takes what is written again, and nobody is answering."""
        if self._state is ChannelState.READING:
            self._advance()
