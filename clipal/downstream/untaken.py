"""Aborts a client's connection when the client takes nothing of its answer."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from clipal.transport.deadline import Deadline
from clipal.transport.tcp import EagerServer


class Untaken:
    """Watches one connection from the time when the kernel first does not take all that is written.

    Parameters:
        timeout: returns the seconds after which the connection of a client that took nothing is aborted; 0 for never.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, transport: EagerServer, timeout: Callable[[], float]) -> None:
        self._clock = clock
        self._transport = transport
        self._timeout = timeout
        self._deadline: Deadline | None = None  # most connections need none
        transport.on_queue = self._begin

    def close(self) -> None:
        """The connection is lost."""
        self._transport.on_queue = None
        if self._deadline is not None:
            self._deadline.close()

    def _begin(self) -> None:
        if self._deadline is None:
            self._deadline = Deadline(self._clock, self._look)
        self._deadline.set(self._timeout())

    def _look(self) -> None:
        """Aborts the connection, or goes on waiting if the kernel has taken something since."""
        since, timeout = self._transport.waits_since, self._timeout()
        if since is None or not timeout or self._deadline is None:
            return
        left = since + timeout - self._clock.seconds()
        if left > 0:
            self._deadline.set(left)
            return
        self._log.info("A client took nothing of its answer for {seconds:g} s: aborted", seconds=timeout)
        self._transport.abortConnection()
