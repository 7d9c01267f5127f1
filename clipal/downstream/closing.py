"""Two ways to end a client's connection that a plain close gets wrong.

A close while the client is still sending makes the kernel answer with a reset, and the client may lose what it had not
read yet. So behind a refusal we say that nothing more will come, and go on reading for a while.

An answer that breaks off must never look whole, so it ends in a reset. But a reset throws away what the kernel has not
sent yet, so we wait until the client has it all.
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
"""Seconds in which a refused client may still send what nobody reads."""
_SOON: Final = 0.01
_SELDOM: Final = 1.0
"""Seconds between two looks, at first and at most: the longer a client has taken nothing, the more seldom they are."""
_SIOCOUTQ: Final = 0x5411
"""Linux's ioctl that tells how much a socket has not sent, or has sent without being acknowledged (tcp(7))."""


@implementer(IPullProducer)
class Closing:
    """The end of one connection. Whoever begins it calls `lost` when the connection is gone.

    Parameters:
        idle_timeout: seconds in which a client must have taken something of what is left of its last answer, else it is
            aborted; 0 for no limit.
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
        """Sends what is written, says that no more will come, and closes when the client does.

        It may take two seconds to do so, and however long it goes on taking what was written.
        """
        self._begin_to_look(self._transport.loseConnection)
        self._transport.unregisterProducer()
        self._transport.loseWriteConnection()
        self._deadline.set(LINGER)

    def abort(self) -> None:
        """Resets the connection as soon as the client has everything that was written, or takes no more of it."""
        self._begin_to_look(self._transport.abortConnection)
        self._transport.unregisterProducer()
        self._deadline.set(LINGER)
        self._transport.registerProducer(self, False)

    def lost(self) -> None:
        """The connection is gone."""
        self._deadline.close()

    def _begin_to_look(self, end: Callable[[], None]) -> None:
        self._end = end
        self._left = unsent(self._transport)
        self._taken_at = self._clock.seconds()

    def _look(self) -> None:
        """Ends the connection when the client has everything; it gets more time with all that it takes."""
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
        """Called at once on registration, then when the transport has handed all to the kernel."""
        if not self._registered:
            self._registered = True
            self._transport.startWriting()  # so that it finds out that it has nothing left, even if it knows already
            return
        self._transport.unregisterProducer()
        self._look()

    def stopProducing(self) -> None:
        """The client went away by itself; `lost` follows."""


def unsent(transport: Connection) -> int:
    """Bytes that were written and that the client's side does not have yet, as far as we know."""
    return len(transport.dataBuffer) - transport.offset + transport._tempDataLen + unacknowledged(transport)


def unacknowledged(transport: Connection) -> int:
    """Bytes that the client's side has not acknowledged, as far as the system tells; 0 where it does not."""
    if not sys.platform.startswith("linux"):
        return 0
    from fcntl import ioctl

    handle: socket.socket = transport.getHandle()
    try:
        return int(struct.unpack("i", ioctl(handle, _SIOCOUTQ, b"\0\0\0\0"))[0])
    except OSError:
        return 0
