"""The door: twisted.web's channel, with a parser of our own (`clipal.downstream.incoming`).

One connection of a client. Its bytes become requests, one at a time is answered, and what a client pipelines behind it
waits: whole requests of the same read in a queue, later bytes unparsed and bounded by no longer reading. Deadlines
bound a head, the silence within a body, and the silence between requests; while a request is answered, none is set.
A request that may not come in is answered here, in its turn, and the connection is closed behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from clipal.config.addresses import plain_host
from clipal.downstream.addresses import unmapped
from clipal.downstream.closing import Closing
from clipal.downstream.incoming import Intake
from clipal.downstream.request import Request
from clipal.transport.deadline import Deadline

if TYPE_CHECKING:
    from clipal.downstream.site import Site

_READ_AHEAD: Final = 64 * 1024
"""Bytes taken from a client that pipelines behind a request that is being answered."""


class Channel(HTTPChannel):
    """The server's side of one connection from a client.

    Attributes:
        first_byte: the deadline of what a provider answers first to the request that is being answered.
        silence: that of what it sends next. Both are the connection's, so that a request needs no timer of its own.
    """

    site: Site
    transport: Connection

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site
        self.factory = site
        self._deadline = Deadline(site.reactor, self._expired)
        self.first_byte = Deadline(site.reactor)
        self.silence = Deadline(site.reactor)
        self._current: Request | None = None
        self._intake = Intake(self)
        self._read_ahead = bytearray()
        self._producer: IPushProducer | None = None
        self._advancing = False
        self._paused = False
        self._closing: Closing | None = None

    # The connection

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self.transport.registerProducer(self, True)
        self._peer = unmapped(self.transport.getPeer())
        self._host = unmapped(self.transport.getHost())
        self.local_address = plain_host(self.transport.getHost().host)
        self.site.connection_made(self)
        self._deadline.set(self._intake.patience())

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 (never changed)
        for deadline in (self._deadline, self.first_byte, self.silence):
            deadline.close()
        if self._closing is not None:
            self._closing.lost()
        current, self._current = self._current, None
        try:
            self._intake.lost()
            if current is not None:
                current.connectionLost(reason)
        finally:  # whatever a bug does: there is room for another client
            self.site.connection_lost(self)

    def _expired(self) -> None:
        if self._intake.idle:
            self.transport.loseConnection()
        else:
            self._intake.too_slow()
            self._advance()

    @property
    def idle(self) -> bool:
        """Whether nothing is being asked or answered."""
        return self._current is None and self._closing is None and self._intake.idle

    # Receiving

    def dataReceived(self, data: bytes) -> None:
        if self._closing is not None or self._intake.last_is_in:
            return
        if self._current is None:
            self._parse(data)
            return
        self._read_ahead += data
        if len(self._read_ahead) > _READ_AHEAD:
            self.transport.pauseProducing()

    def _parse(self, data: bytes) -> None:
        intake = self._intake
        was_in_head = intake.in_head
        intake.feed(data)
        self._advance()
        if self._current is not None or self._closing is not None:
            self._deadline.clear()
        elif not (was_in_head and intake.in_head):
            self._deadline.set(intake.patience())

    # Answering, in order

    def _advance(self) -> None:
        """Answers what waits, one after another; a loop, for an answer of our own may be complete at once."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._current is None and self._closing is None and self._begin_next():
                pass
        finally:
            self._advancing = False

    def _begin_next(self) -> bool:
        """Begins with what comes next; False if there is nothing."""
        intake = self._intake
        if intake.waiting:
            first = intake.waiting.popleft()
            self._deadline.clear()
            if isinstance(first, Request):
                self._current = first
                first.process()
            else:
                self.transport.write(self.site.refuse(first.refusal, first.head, getattr(self._peer, "host", "-")))
                self._half_close()
            return True
        if self._read_ahead:
            data = bytes(self._read_ahead)
            self._read_ahead.clear()
            self.transport.resumeProducing()
            self._parse(data)
            return True
        if intake.continue_due:
            intake.continue_due = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return False

    def closes_behind(self, request: Request) -> bool:
        """Whether the connection ends with the answer to `request`, which is being answered."""
        return self.site.draining or (self._intake.last_is_in and not self._intake.waiting)

    def close_behind(self) -> None:
        """Ends the connection with the answer that is being given, for nothing else can show its end."""
        self._intake.close()

    def leave(self, receive: Callable[[bytes], None]) -> None:
        """Leaves HTTP: whatever the client sends goes to `receive`, beginning with what has come already."""
        early = self._intake.take_rest() + self._read_ahead
        self._read_ahead.clear()
        self.dataReceived = receive  # type: ignore[assignment, method-assign]
        self.transport.resumeProducing()
        if early:
            receive(early)

    def requestDone(self, request: Request) -> None:
        """The answer to `request` is written."""
        closes = self.closes_behind(request)
        self._current = None
        if closes:
            self._half_close()
        else:
            self._deadline.set(self._intake.patience())  # nothing else was counting the seconds
            self._advance()
        self.site.request_ended()

    def abort(self) -> None:
        """The answer under way cannot be ended as it should: the client must see that, and get what was written."""
        self._current = None
        self._closing = Closing(self.site.reactor, self.transport)
        self._closing.abort_when_flushed()

    def _half_close(self) -> None:
        self._deadline.clear()
        self._closing = Closing(self.site.reactor, self.transport)
        self._closing.half_close()

    # Addresses, which a system call tells: asked for once, and not for each request

    def getPeer(self) -> IAddress:
        return self._peer

    def getHost(self) -> IAddress:
        return self._host

    # Backpressure: we are the transport's producer, and whoever answers is ours

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        assert streaming, "only push producers answer here"
        self._producer = producer
        if self._paused:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        self._producer = None

    def pauseProducing(self) -> None:
        self._paused = True
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        if self._producer is not None:
            self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """The transport is going away; `connectionLost` follows and tells the request."""
