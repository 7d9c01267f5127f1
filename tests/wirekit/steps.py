"""What a scripted upstream does, step by step, and the steps of usual answers.

`answer`, `chunked` and `event_stream` return tuples of steps, so that a test can put its own behind them:
`(*chunked(b"a", last=False), Reset())`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.web.http import RESPONSES

from tests.wirekit.connection import RawConnection
from tests.wirekit.message import Fields, values
from tests.wirekit.waiting import reactor


class Step(Protocol):
    """One thing that an upstream does."""

    async def run(self, connection: RawConnection) -> None:
        """Do it; the next step begins when this one is done. It is cancelled when the connection ends."""


Steps: TypeAlias = Sequence[Step]


@frozen
class Send:
    """Write bytes and wait until the kernel has them, so that each `Send` is a segment of its own."""

    data: bytes

    async def run(self, connection: RawConnection) -> None:
        connection.send(self.data)
        await connection.drained()


@frozen
class Flood:
    """Write a chunk `count` times as fast as the peer reads; the connection's `taken` counts the bytes."""

    chunk: bytes
    count: int

    async def run(self, connection: RawConnection) -> None:
        await connection.flood(self.chunk, self.count)


@frozen
class Pause:
    """Do nothing for some seconds."""

    seconds: float

    async def run(self, connection: RawConnection) -> None:
        await deferLater(reactor, self.seconds, lambda: None)


@frozen
class Wait:
    """Do nothing until the test fires a Deferred, which any number of connections may wait for."""

    fires: Deferred[None]

    async def run(self, connection: RawConnection) -> None:
        # Not the test's own Deferred: the end of this connection must not cancel what others wait for.
        fired: Deferred[None] = Deferred()

        def pass_on(result: None) -> None:
            if not fired.called:
                fired.callback(result)

        self.fires.addCallback(pass_on)
        await fired


@frozen
class WaitFor:
    """Do nothing until the connection has received some bytes, such as the end of a head."""

    data: bytes

    async def run(self, connection: RawConnection) -> None:
        await connection.wait_for(self.data)


@frozen
class Hang:
    """Do nothing any more."""

    async def run(self, connection: RawConnection) -> None:
        await Deferred()


@frozen
class Close:
    """Close politely; the last step."""

    async def run(self, connection: RawConnection) -> None:
        connection.close()
        await Deferred()


@frozen
class Reset:
    """Close with an RST; the last step."""

    async def run(self, connection: RawConnection) -> None:
        connection.abort()
        await Deferred()


@frozen
class CloseWrite:
    """Send a FIN and go on reading."""

    async def run(self, connection: RawConnection) -> None:
        connection.close_write()


@frozen
class StopReading:
    """Read nothing any more."""

    async def run(self, connection: RawConnection) -> None:
        connection.pause()


def head(status: int = 200, fields: Fields = (), reason: bytes | None = None) -> bytes:
    """The head of an answer, with the fields given and no others; the usual reason phrase by default."""
    phrase = RESPONSES.get(status, b"Overloaded") if reason is None else reason
    lines = [b"HTTP/1.1 %d %s" % (status, phrase), *(b"%s: %s" % field for field in fields)]
    return b"\r\n".join([*lines, b"", b""])


def answer(status: int = 200, body: bytes = b"", fields: Fields = (), reason: bytes | None = None) -> Steps:
    """A whole answer in one piece; Content-Length is added unless given or not allowed."""
    if not (status < 200 or status in (204, 304) or values(fields, b"content-length")):
        fields = (*fields, (b"Content-Length", b"%d" % len(body)))
    return (Send(head(status, fields, reason) + body),)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunked(*chunks: bytes, status: int = 200, fields: Fields = (), last: bool = True) -> Steps:
    """A chunked answer, each chunk sent on its own; `last=False` leaves the end to the steps behind."""
    first = Send(head(status, (*fields, (b"Transfer-Encoding", b"chunked"))))
    end = (Send(b"0\r\n\r\n"),) if last else ()
    return (first, *(Send(chunk(each)) for each in chunks), *end)


def event(data: bytes, name: bytes | None = None) -> bytes:
    """One server-sent event with one line of data."""
    return (b"" if name is None else b"event: %s\n" % name) + b"data: %s\n\n" % data


def event_stream(*events: bytes, last: bool = True) -> Steps:
    """A chunked stream of server-sent events, each in a chunk of its own."""
    return chunked(*events, fields=((b"Content-Type", b"text/event-stream"),), last=last)
