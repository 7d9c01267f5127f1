"""Two ways to end a client's connection that a plain close gets wrong.

If a socket is closed while the client is still sending, the kernel answers with a reset, and the client may lose what
it has not read yet. So after a refusal clipal sends a FIN, and goes on reading for a while.

An answer that breaks off must not look whole, so it ends with a reset. But a reset discards what the kernel has not
sent yet, so clipal waits until the client has everything.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IPullProducer, IReactorTime
from twisted.internet.tcp import Connection
from zope.interface import implementer

from clipal.transport.deadline import Deadline

LINGER: Final = 2.0
"""Seconds in which a refused client may still send; what it sends is discarded."""
_SOON: Final = 0.01
_SELDOM: Final = 1.0
"""Seconds between two looks at the first and at most: they grow with the time in which the client takes nothing."""
_SIOCOUTQ: Final = 0x5411
"""Linux's ioctl that tells how much a socket has not sent, or has sent without being acknowledged (tcp(7))."""


@implementer(IPullProducer)
class Closing:
    """The end of one connection. Its owner calls `lost` when the connection is lost.

    Parameters:
        idle_timeout: seconds after which a client that takes nothing more of its last answer is aborted; 0 for no
            limit.
    """

    def __init__(self, clock: IReactorTime, transport: Connection, idle_timeout: float) -> None:
        self._clock = clock
        self._transport = transport
        self._deadline = Deadline(clock, self._look)
        self._end: Callable[[], None] = self._transport.abortConnection
        self._idle_timeout = idle_timeout
        self._taken_at = 0.0
        self._left = 0
        self._registered = False

    def close(self) -> None:
        """Sends what is written, then a FIN, and closes when the client closes.

        The connection is closed after two seconds anyway, or later as long as the client goes on taking bytes.
        """
        self._begin_to_look(self._transport.loseConnection)
        self._transport.unregisterProducer()
        self._transport.loseWriteConnection()
        self._deadline.set(LINGER)

    def abort(self) -> None:
        """Resets the connection when the client has everything that was written, or takes no more of it."""
        self._begin_to_look(self._transport.abortConnection)
        self._transport.unregisterProducer()
        self._deadline.set(LINGER)
        self._transport.registerProducer(self, False)

    def lost(self) -> None:
        """The connection is lost: no timer is left."""
        self._deadline.close()

    def _begin_to_look(self, end: Callable[[], None]) -> None:
        self._end = end
        self._left = unsent(self._transport)
        self._taken_at = self._clock.seconds()

    def _look(self) -> None:
        """Ends the connection when the client has everything. Each byte that it takes gives it more time."""
        left, now = unsent(self._transport), self._clock.seconds()
        if left < self._left:
            self._left, self._taken_at = left, now
        idle = now - self._taken_at
        if not left:
            self._end()
        elif self._idle_timeout and idle >= self._idle_timeout:
            self._transport.abortConnection()
        else:
            self._deadline.set(min(max(_SOON, idle / 4), _SELDOM))

    # IPullProducer, for the transport's own buffer

    def resumeProducing(self) -> None:
        """Called at once on registration, and again when the transport has handed everything to the kernel."""
        if not self._registered:
            self._registered = True
            self._transport.startWriting()  # so that it calls this method again, even if its buffer is empty already
            return
        self._transport.unregisterProducer()
        self._look()

    def stopProducing(self) -> None:
        """The client has disconnected; `lost` follows."""


def unsent(transport: Connection) -> int:
    """Bytes that were written and that the client's system does not have yet, as far as that is known."""
    return len(transport.dataBuffer) - transport.offset + transport._tempDataLen + unacknowledged(transport)


def unacknowledged(transport: Connection) -> int:
    """Bytes that the client's system has not acknowledged; 0 where this system does not tell."""
    if not sys.platform.startswith("linux"):
        return 0
    from fcntl import ioctl

    handle: socket.socket = transport.getHandle()
    try:
        return int(struct.unpack("i", ioctl(handle, _SIOCOUTQ, b"\0\0\0\0"))[0])
    except OSError:
        return 0
