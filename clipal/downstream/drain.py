"""The end of serving, in which no request is lost.

What is under way ends, and what still comes is served, with `Connection: close`. A connection without a request stays
for two more seconds, because one may be on its way; this holds for one that was just accepted, too. The drain is over
when no connection is left, when its time is up, or when the operator does not want to wait.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime

SILENCE: Final = 2.0
"""Seconds that a connection without a request stays open."""
_HASTE: Final = 0.05
"""The same in a hurry."""
_RECENT: Final = 10.0
"""Seconds: if somebody connected within so many before the drain, others may be about to."""


class Draining(Protocol):
    """A connection of a client.

    Attributes:
        transport: which ends in good order, or at once.
        idle: whether nothing is being asked or answered.
        busy: whether its client would lose something if it ended now.
    """

    transport: Any

    @property
    def idle(self) -> bool: ...

    @property
    def busy(self) -> bool: ...

    def drain(self) -> None:
        """A drain begins."""


class Drain:
    """That of all connections in `open_`.

    Attributes:
        began: whether connections end behind what they are answering.
        over: whether nothing is served any more.
        idle_deadline: seconds that a connection without a request stays open; 0 for as long as ever.
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
        """A client has come."""
        self._last_connected = self._clock.seconds()

    async def run(self, seconds: float, cut_short: Deferred[None], *, patient: bool, accepting: bool) -> int:
        """Drains.

        Parameters:
            seconds: after which the rest is aborted; 0 for never.
            cut_short: fires when nobody wants to wait any longer.
            patient: whether a request may be on its way; if not, unused connections are closed at once.
            accepting: whether new connections still come in. If clients have connected lately, they are given two
                seconds at least, in which the checks of a pool see that this process drains.

        Returns:
            how many requests were cut.
        """
        self._begin(patient, accepting)
        if not self._is_quiet():
            quiet = self._quiet = Deferred()
            if seconds:
                quiet.addTimeout(seconds, self._clock, lambda *_: None)
            look = self._clock.callLater(max(0.0, self._earliest - self._clock.seconds()), self.look)
            await DeferredList([quiet, cut_short], fireOnOneCallback=True)
            self._quiet = None
            quiet.cancel()
            if look.active():
                look.cancel()
        self.over = True
        return self._cut()

    def look(self) -> None:
        """A connection has ended: perhaps it was the last one."""
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
