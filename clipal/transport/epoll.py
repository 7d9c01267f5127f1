"""The epoll reactor with a shorter way from a readable connection to its protocol.

Twisted handles each event inside a logging context, which only its former logging system reads, and asks three times
what kind of event it was. For a small piece of a stream this costs more than clipal's own work (docs/performance.md).
So a connection of `clipal.transport.tcp` that can be read is read at once; Twisted handles every other event and
descriptor.

`clipal` runs on it where there is epoll; for twistd it is an option, `twistd --reactor=clipal`.
"""

from __future__ import annotations

from select import EPOLLIN

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor
from twisted.logger import Logger
from twisted.python.log import callWithLogger

from clipal.transport.tcp import SendsAtOnce


class DirectReactor(EPollReactor):
    """Reads eager connections directly."""

    _log = Logger()

    def doPoll(self, timeout: float | None) -> None:
        """Waits for events, for so many seconds at most, and handles them."""
        try:
            events = self._poller.poll(-1 if timeout is None else timeout, len(self._selectables))
        except InterruptedError:
            return
        selectables = self._selectables
        for descriptor, event in events:
            selectable = selectables.get(descriptor)
            if event == EPOLLIN and isinstance(selectable, SendsAtOnce):
                try:  # as Twisted does: an exception ends this connection and no other
                    why: BaseException | None = selectable.doRead()
                except BaseException as error:
                    self._log.failure("Bug while reading from a connection")
                    why = error
                if why is not None:
                    self._end(selectable, why)
            elif selectable is not None:  # else an earlier event closed it
                callWithLogger(selectable, self._doReadOrWrite, selectable, descriptor, event)

    doIteration = doPoll

    def _end(self, connection: SendsAtOnce, why: BaseException) -> None:
        """Ends a connection. An exception of its protocol's does not keep the others of the round from their turn."""
        try:
            self._disconnectSelectable(connection, why, True)
        except Exception:
            self._log.failure("Bug at the end of a connection")


def install() -> None:
    """Installs a DirectReactor in this process, which must have no reactor yet."""
    installReactor(DirectReactor())
