"""TCP transports that send at once what they are given, if nothing is queued before it.

Twisted queues every write, asks epoll to say when the socket is writable, sends in the next turn of the loop, and tells
epoll that it has nothing more: two system calls and a turn for each small write. A proxy writes small pieces to
sockets that are nearly always writable. What cannot be sent at once is queued by Twisted, with its backpressure.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from twisted.internet import main, tcp
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IAddress

Ended: TypeAlias = "ConnectionDone | ConnectionLost | None"
"""Why a connection ends; None for a connection that stays open."""
SMALL_READ: Final = 16 * 1024
"""Bytes of a small buffer for one read, which is cheaper than a large buffer. An event of a stream needs no more."""


class SendsAtOnce(tcp.Connection):
    """What the server's and the client's transport share."""

    dataBuffer: bytes
    offset: int
    _tempDataBuffer: list[bytes]
    _buffer_size = SMALL_READ

    def _read(self) -> bytes | Ended:
        """What one read brings: bytes, or the reason to end the connection; None where nothing has come yet.

        It reads into a small buffer, until a read fills that.
        """
        size = self._buffer_size
        try:
            data = self.socket.recv(size)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not data:
            return main.CONNECTION_DONE
        if len(data) >= SMALL_READ or size > SMALL_READ:
            self._buffer_size = self.bufferSize if len(data) >= SMALL_READ else SMALL_READ
        return data

    def direct(self) -> Callable[[bytes], int] | None:
        """The socket's own `send`, for a caller that writes often; None while something is queued.

        The caller gives `write` what the kernel does not take, and asks again before it sends more.
        """
        return self.socket.send if self._nothing_queued() else None

    def write(self, data: bytes | memoryview) -> None:
        """Sends `data`, or as much as the kernel takes; the rest is queued."""
        if data and self._nothing_queued():
            try:
                sent = self.socket.send(data)
            except OSError:
                sent = 0  # the socket is full, or broken, which Twisted finds out when it sends what is queued
            if sent == len(data):
                return
            data = data[sent:]
            self._begin_to_queue()
        super().write(bytes(data))

    def writeSequence(self, iovec: Iterable[bytes | memoryview]) -> None:
        """As `write` of all pieces, without joining them: in one system call where the system has one for it."""
        pieces, sent = list(iovec), 0
        if sys.platform != "win32" and self._nothing_queued():
            try:
                sent = self.socket.sendmsg(pieces)
            except OSError:
                sent = 0
            if sent < sum(map(len, pieces)):
                self._begin_to_queue()
        for data in pieces:
            if sent < len(data):
                super().write(bytes(data[sent:]))
            sent = max(0, sent - len(data))

    def has_unread(self) -> bool:
        """Whether unread bytes have come, or the other side has closed the connection."""
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
        return True

    def _begin_to_queue(self) -> None:
        """Called when the kernel does not take all that is written and nothing was queued before."""

    def _nothing_queued(self) -> bool:
        """Whether what is written now comes next, and may be sent."""
        return bool(
            self.connected
            and not self._tempDataBuffer
            and self.offset == len(self.dataBuffer)
            and not (self.disconnecting or self.disconnected or self._writeDisconnected)
        )


class EagerServer(SendsAtOnce, tcp.Server):
    """The server's side of a connection.

    Attributes:
        on_queue: called when the kernel does not take all that is written, and nothing was queued before.
        proxied: whether a proxy has named the client by the PROXY protocol.
        came_from: the client's address, if the proxy named it.
        came_to: the address that the client connected to, if the proxy named it.
    """

    reactor: Any
    proxied = False
    came_from: IAddress | None = None
    came_to: IAddress | None = None
    on_queue: Callable[[], None] | None = None
    _taken_at = 0.0

    @property
    def waits_since(self) -> float | None:
        """When the kernel last took something, on the reactor's clock, if something is queued."""
        queued = self._tempDataLen or self.offset < len(self.dataBuffer)
        return self._taken_at if queued else None

    def getPeer(self) -> Any:
        """The client's address."""
        return self.came_from or super().getPeer()

    def getHost(self) -> Any:
        """The address that the client has connected to."""
        return self.came_to or super().getHost()

    def _begin_to_queue(self) -> None:
        self._taken_at = self.reactor.seconds()
        if self.on_queue is not None:
            self.on_queue()

    def writeSomeData(self, data: bytes) -> int | ConnectionLost:
        """As Twisted's, for what was queued."""
        sent = super().writeSomeData(data)
        if isinstance(sent, int) and sent > 0:
            self._taken_at = self.reactor.seconds()
        return sent


class EagerClient(SendsAtOnce, tcp.Client):
    """The client's side of a connection."""

    def doRead(self) -> Ended:  # type: ignore[override]  # a mixin of Twisted's says that it returns nothing
        """Reads what there is, once; the result is the reason to end the connection."""
        data = self._read()
        if not isinstance(data, bytes):
            return data
        self.protocol.dataReceived(data)
        return None

    def _connectDone(self) -> None:
        """Called when TCP is connected. A subclass may do more before it calls `opened`, or `failIfNotConnected`."""
        self.opened()

    def opened(self) -> None:
        """Called when all bytes from now on are the host's: Twisted makes the protocol."""
        super()._connectDone()


class EagerPort(tcp.Port):
    """A listening port whose connections are eager.

    Attributes:
        may_accept: called before a connection is accepted. A function that returns False must call `stopReading` too.
    """

    transport: type[EagerServer] = EagerServer
    may_accept: Callable[[], bool] = staticmethod(lambda: True)

    def doRead(self) -> None:
        """Accepts one connection, if `may_accept` allows it; Twisted would accept a hundred."""
        if self.may_accept():
            self.numberAccepts = 1
            super().doRead()

    @classmethod
    def adopt(
        cls, reactor: Any, listening: socket.socket, factory: Any, transport: type[EagerServer] | None = None
    ) -> EagerPort:
        """Accepts on a socket that listens already; the caller may close its own copy of it."""
        port: EagerPort = cls._fromListeningDescriptor(reactor, listening.fileno(), listening.family, factory)
        if transport is not None:
            port.transport = transport
        port.startListening()
        return port
