"""The drain: the end of serving, which gives open requests time to end.

Requests under way go on, and a new request is served with `Connection: close`. A connection without a request stays
open for two more seconds, because a request may be on its way. The drain is over when no connection is left, when its
time is up, or when the operator cuts it short.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime

SILENCE: Final = 2.0
"""Seconds that a connection without a request stays open."""
_HASTE: Final = 0.05
"""The same in a drain that is not patient."""
_RECENT: Final = 10.0
"""If a client connected within so many seconds before the drain, more clients may be about to connect."""


class Draining(Protocol):
    """A connection of a client.

    Attributes:
        transport: its `loseConnection` ends it gracefully, its `abortConnection` at once.
        idle: whether nothing is being asked or answered.
        busy: whether its client would lose an answer if the connection ended now.
    """

    transport: Any

    @property
    def idle(self) -> bool: ...

    @property
    def busy(self) -> bool: ...

    def drain(self) -> None:
        """A drain begins."""


class Drain:
    """The drain of the connections in `open_`.

    Attributes:
        began: whether the drain has begun: connections end after the answers that are under way.
        over: whether the drain is over: no request is served any more.
        idle_deadline: seconds that a connection without a request stays open; 0 before the drain, which sets no such
            bound.
    """

    def __init__(self, clock: IReactorTime, open_: Set[Draining]) -> None:
        self.began = self.over = False
        self.idle_deadline = 0.0
        self._clock = clock
        self._open = open_
        self._last_connected: float | None = None
        self._earliest = 0.0
        self._quiet: Deferred[None] | None = None

    def connected(self) -> None:
        """A client has connected."""
        self._last_connected = self._clock.seconds()

    async def run(self, seconds: float, cut_short: Deferred[None], *, patient: bool, accepting: bool) -> int:
        """Drains.

        Parameters:
            seconds: after which the requests that are left are aborted; 0 for never.
            cut_short: fires when the operator does not want to wait any longer.
            patient: whether a request may be on its way; if not, idle connections are closed at once.
            accepting: whether new connections still come in. If clients have connected lately, the drain lasts two
                seconds at least, so that a pool's health checks see it.

        Returns:
            how many requests were aborted.
        """
        self._begin(patient, accepting)
        if not self._is_quiet():
            quiet = self._quiet = Deferred()
            if seconds:
                quiet.addTimeout(seconds, self._clock, lambda *_: None)
            look = self._clock.callLater(max(0.0, self._earliest - self._clock.seconds()), self.look)
            await DeferredList([quiet, cut_short], fireOnOneCallback=True, consumeErrors=True)  # of `cancel`, below
            self._quiet = None
            quiet.cancel()
            if look.active():
                look.cancel()
        self.over = True
        return self._cut()

    def look(self) -> None:
        """A connection has ended: ends the drain if no connection is left."""
        if self._quiet is not None and not self._quiet.called and self._is_quiet():
            self._quiet.callback(None)

    def _begin(self, patient: bool, accepting: bool) -> None:
        now = self._clock.seconds()
        self.began = True
        self.idle_deadline = SILENCE if patient else _HASTE
        recent = self._last_connected is not None and now - self._last_connected < _RECENT
        self._earliest = now + SILENCE if patient and accepting and recent else now
        for connection in list(self._open):
            if patient or not connection.idle or connection.transport.has_unread():
                connection.drain()
            else:
                connection.transport.loseConnection()

    def _is_quiet(self) -> bool:
        return not self._open and self._clock.seconds() >= self._earliest

    def _cut(self) -> int:
        cut = 0
        for connection in list(self._open):
            cut += connection.busy
            if connection.idle:
                connection.transport.loseConnection()
            else:
                connection.transport.abortConnection()
        return cut
