"""One raw connection, as the client and the upstream of the tests see it: bytes, and how they ended.

Everything that arrives stays in `received`. The reading methods take from it in order; the waiting methods
only look.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPullProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.internet.tcp import Connection as TCPConnection
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.wirekit.waiting import DEADLINE, Conditions, reactor

Ending = Literal["close", "aborted"]
"""A FIN (over TLS: a close_notify), or anything less polite."""


class RawConnection(Protocol):
    """A connection that records what it receives and says how it ended.

    Attributes:
        received: every byte so far.
        deadline: how many seconds a read may wait for a byte before the test has failed; None for ever.
        taken: how many bytes of `flood` the kernel has taken so far.
        ended: how the connection ended, None while it is open. A paused connection does not notice its end.
    """

    transport: TCPConnection
    deadline: float | None = DEADLINE

    def __init__(self) -> None:
        self.received = bytearray()
        self.taken = 0
        self.ended: Ending | None = None
        self._position = 0
        self._conditions = Conditions(self._so_far)

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self._conditions.changed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended = "close" if reason.check(ConnectionDone) else "aborted"
        self._conditions.over()

    # Reading, in order.

    async def up_to(self, count: int) -> bytes:
        """Take `count` bytes, or fewer if the connection ends before."""
        await self._until(lambda: self.ended is not None or len(self.received) - self._position >= count)
        return self._take(min(count, len(self.received) - self._position))

    async def to_the_end(self) -> bytes:
        """Take what comes until the connection ends, however that is."""
        await self._until(lambda: self.ended is not None)
        return self._take(len(self.received) - self._position)

    async def read_until(self, end: bytes) -> bytes:
        """Take the bytes up to and with `end`; `NeverError` if the connection ends before."""
        await self._until(lambda: self.received.find(end, self._position) >= 0)
        return self._take(self.received.index(end, self._position) + len(end) - self._position)

    async def line_or_end(self) -> bytes | None:
        """Take a line without its CRLF; None, and nothing taken, if the connection ends before."""
        await self._until(lambda: self.ended is not None or self.received.find(b"\r\n", self._position) >= 0)
        end = self.received.find(b"\r\n", self._position)
        return None if end < 0 else self._take(end + 2 - self._position)[:-2]

    def _take(self, count: int) -> bytes:
        with memoryview(self.received) as view:
            taken = bytes(view[self._position : self._position + count])
        self._position += count
        return taken

    # Looking.

    def wait_for(self, what: int | bytes | Callable[[bytes], bool], deadline: float = DEADLINE) -> Deferred[None]:
        """Wait for so many bytes in all, for some bytes anywhere, or for a predicate on all so far."""
        if isinstance(what, int):
            return self._conditions.until(lambda: len(self.received) >= what, deadline)
        if isinstance(what, bytes):
            return self._conditions.until(lambda: what in self.received, deadline)
        return self._conditions.until(lambda: what(bytes(self.received)), deadline)

    def closed(self, deadline: float = DEADLINE) -> Deferred[Ending]:
        """Wait for the end of the connection; fires with how it ended."""
        ended = self._conditions.until(lambda: self.ended is not None, deadline)
        return ended.addCallback(lambda _: self._ending())

    def _until(self, met: Callable[[], bool]) -> Deferred[None]:
        return self._conditions.until(met, self.deadline)

    def _ending(self) -> Ending:
        assert self.ended is not None
        return self.ended

    def _so_far(self) -> str:
        state = self.ended or "open"
        return f"{state}, {len(self.received)} bytes received, the last ones {bytes(self.received[-2000:])!r}"

    # Doing.

    def send(self, data: bytes) -> None:
        """Write, without waiting."""
        self.transport.write(data)

    async def drained(self) -> None:
        """Wait until the kernel has taken everything that was written; `ConnectionLost` if it never will.

        Over TLS what is written before the handshake is done does not count.
        """
        # A TLS transport gathers small writes for one turn of the reactor.
        await deferLater(reactor, 0, lambda: None)
        drain = _Drain(self._tcp())
        self._tcp().registerProducer(drain, False)
        await drain.done

    async def flood(self, chunk: bytes, count: int) -> None:
        """Write a chunk `count` times, each when the kernel has the one before; `taken` counts the bytes."""
        for _ in range(count):
            self.send(chunk)
            await self.drained()
            self.taken += len(chunk)

    def pause(self) -> None:
        """Stop reading; the peer's bytes stay in the kernel."""
        self.transport.pauseProducing()

    def resume(self) -> None:
        """Read again."""
        self.transport.resumeProducing()

    def close(self) -> None:
        """End politely when everything is written: a FIN, over TLS a close_notify before it.

        The kernel sends an RST in its place when there are bytes that were not read.
        """
        self.transport.loseConnection()

    def close_write(self) -> None:
        """Send a FIN when everything is written and go on reading; TCP only."""
        self.transport.loseWriteConnection()

    def abort(self) -> None:
        """End with an RST; what the kernel has not taken yet is lost."""
        self._tcp().abortConnection()

    def _tcp(self) -> TCPConnection:
        below: object = self.transport
        if isinstance(below, TLSMemoryBIOProtocol):
            below = below.transport
        assert isinstance(below, TCPConnection)
        return below


@implementer(IPullProducer)
class _Drain:
    """Asks a transport for nothing but the moment at which it would take more."""

    def __init__(self, transport: TCPConnection) -> None:
        self.done: Deferred[None] = Deferred()
        self._transport = transport
        self._registered = False

    def resumeProducing(self) -> None:
        if self._registered:
            self._transport.unregisterProducer()
            self.done.callback(None)
        else:
            # The first call says nothing: it comes with the registration.
            self._registered = True
            self._transport.startWriting()

    def stopProducing(self) -> None:
        self.done.errback(ConnectionLost("not everything was written"))
