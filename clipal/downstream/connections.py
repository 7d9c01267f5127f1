"""The connections of clients: as many as file descriptors allow. Other clients wait in the kernel's queue.

When descriptors run short, unused connections to providers are closed first, then the connection of the client that has
been idle for longest. The connection of a client that is being served is not closed for that.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import nsmallest
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from clipal.process.descriptors import OF_CLIENT, Descriptors
from clipal.transport.deadline import Deadline
from clipal.transport.tcp import EagerPort

_LEAST_IDLE: Final = 1.0
"""Seconds that a connection must have been idle to give way, because the next request may be on its way."""
_LOOK_AGAIN: Final = 0.25
"""Seconds until the next look for a connection that gives way."""
_TRIED: Final = 8
"""How many connections are looked at: those that have been idle for longest."""
_SAY_AGAIN: Final = 60.0
"""Seconds between two lines that say that there is no room."""


class ClientConnection(Protocol):
    """The connection of one client.

    Attributes:
        transport: its `loseConnection` ends the connection gracefully.
        idle_since: since when it is idle, on the reactor's clock; infinity while it is not.
    """

    transport: Any

    @property
    def idle_since(self) -> float: ...

    def gives_way(self, before: float) -> bool:
        """Whether it may be closed, because it has been idle since `before`."""


class Connections:
    """The open connections of clients.

    Parameters:
        close_unused: closes the connection to a provider that has been unused for longest; False where none is unused.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, descriptors: Descriptors, close_unused: Callable[[], bool]) -> None:
        self.open: set[Any] = set()
        self._clock = clock
        self._descriptors = descriptors
        self._close_unused = close_unused
        self._listening: list[EagerPort] = []
        self._full = False
        self._look_again = Deadline(clock, self._accept_again)
        self._silent_until = 0.0

    def accept_from(self, listening: EagerPort) -> None:
        """Accepts connections from `listening` while there is room for them."""
        self._listening.append(listening)
        listening.may_accept = self._make_room

    def stop(self) -> None:
        """Accepts no more connections."""
        self._listening.clear()
        self._look_again.close()

    def add(self, connection: ClientConnection) -> None:
        """A client has connected."""
        self.open.add(connection)
        self._descriptors.free -= OF_CLIENT

    def discard(self, connection: ClientConnection) -> None:
        """The connection of a client is lost."""
        if connection in self.open:
            self.open.discard(connection)
            self._descriptors.free += OF_CLIENT
        if self._full:
            self._accept_again()

    def _make_room(self) -> bool:
        """Whether the next connection can be accepted now. If not, closes an idle connection that gives way, if any."""
        while self._descriptors.free < OF_CLIENT:
            if not self._close_unused():
                break
        else:
            return True
        self._full = True
        for listening in self._listening:
            listening.stopReading()  # until a connection is lost, or the next look
        now = self._clock.seconds()
        longest_idle = nsmallest(_TRIED, self.open, key=_idle_since)
        gives_way = next((each for each in longest_idle if each.gives_way(now - _LEAST_IDLE)), None)
        if gives_way is not None:
            gives_way.transport.loseConnection()
            return False
        self._look_again.set(_LOOK_AGAIN)
        if now >= self._silent_until:
            self._silent_until = now + _SAY_AGAIN
            self._log.warn("No room for more than {count} connections: the next ones wait", count=len(self.open))
        return False

    def _accept_again(self) -> None:
        self._full = False
        self._look_again.clear()
        for listening in self._listening:
            if listening.connected:
                listening.startReading()


def _idle_since(connection: ClientConnection) -> float:
    return connection.idle_since
