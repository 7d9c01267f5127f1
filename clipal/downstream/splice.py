"""A committed answer as a splice: what happens at each piece of its body, and nothing else.

Most of what clipal does is this: some bytes come from a provider, and their content goes to the client. So once an
answer is committed, a splice takes the place of `clipal.upstream.connection.Connection` as the protocol of the
provider's socket. It is one small object, because a stream's objects are cold when its next event comes
(docs/performance.md).

What happens seldom is left to the ordinary objects. The connection deals with an end, a cut, and bytes that are no
HTTP. The relay deals with pauses, silence and disconnects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol, ITransport
from twisted.python.failure import Failure
from zope.interface import implementer

from clipal.dialects.token_counts import BEGINNING, TAIL
from clipal.transport.tcp import SendsAtOnce
from clipal.upstream.connection import Connection

_GATHERED: Final = 4 * 1024
_PIECES: Final = 256
"""Bytes and pieces of a body that are kept before they are joined, because small pieces take more memory than bytes."""


@implementer(IProtocol)
class Splice:
    """Passes the body of one answer on to the client.

    Parameters:
        client: the client's transport; it may pause the provider when something is written.
        seconds: the time of the reactor's clock.
        chunked: whether the body goes to the client in chunks.

    Attributes:
        sent: bytes of the body that went to the client.
        heard_at: when the last of them came.
    """

    __slots__ = (
        "_beginning",
        "_chunked",
        "_client",
        "_connection",
        "_feed",
        "_gathers_at",
        "_last",
        "_pieces",
        "_seconds",
        "_send",
        "heard_at",
        "sent",
    )

    def __init__(self, client: SendsAtOnce, seconds: Callable[[], float], *, chunked: bool) -> None:
        self._client = client
        self._seconds = seconds
        self._chunked = chunked
        self._connection: Connection | None = None
        self._send: Callable[[bytes], int] | None = None  # the socket's own, while the client takes all that is written
        self._last: list[bytes] = []
        self._beginning = b""
        self._gathers_at = _GATHERED
        self.sent = 0
        self.heard_at = 0.0

    def join(self, connection: Connection) -> None:
        """Takes the place of `connection` at its socket, until the answer has ended."""
        body = connection.spliced(self)
        if body is not None:
            self._connection = connection
            self._feed, self._pieces = body.feed, body.pieces
            self._send = self._client.direct()

    # IProtocol, for the provider's socket

    def dataReceived(self, data: bytes) -> None:
        """Passes on the content of what the socket brought."""
        try:
            self._feed(data)
        except Exception as error:
            self._hand_back(data, error)
            return
        pieces = self._pieces
        if not pieces:
            self._hand_back(data)
            return
        content = pieces.pop()
        if pieces:
            content = b"".join(pieces) + content
            pieces.clear()
        framed = self._frame(content)
        send = self._send
        if send is None:
            self._write(framed)
            return
        try:
            sent = send(framed)
        except OSError:
            sent = 0  # would block, or is broken: writing through the transport finds out which
        if sent != len(framed):
            self._write(framed[sent:])

    def pass_on(self, content: bytes, head: bytes) -> None:
        """Writes a piece of the body that does not come from the socket, behind `head`."""
        self._write(head + self._frame(content))

    def _frame(self, content: bytes) -> bytes:
        """Notes a piece of the body, and frames it for the client."""
        self.sent += len(content)
        self.heard_at = self._seconds()
        last = self._last
        last.append(content)
        if self.sent >= self._gathers_at or len(last) > _PIECES:
            self._gather()
        return b"%x\r\n%b\r\n" % (len(content), content) if self._chunked else content

    def _write(self, data: bytes) -> None:
        """Writes through the transport, which queues what the kernel does not take."""
        self._client.write(data)
        self._send = self._client.direct()

    def _hand_back(self, data: bytes, error: Exception | None = None) -> None:
        assert self._connection is not None
        self._connection.fed(data, error, self.sent)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 (never changed)
        """The provider's connection is lost."""
        assert self._connection is not None
        self._connection.connectionLost(reason)

    def makeConnection(self, transport: ITransport) -> None:
        """Part of IProtocol. It is not called, because the connection is made already."""

    def connectionMade(self) -> None:
        """As `makeConnection`."""

    # For the tokens that the answer says it cost

    def _gather(self) -> None:
        """Keeps only the beginning and the end of the body so far, each in one piece. Called about once in 4 KiB."""
        beginning, end = self.ends()
        if self.sent >= BEGINNING:  # before that, `end` is all of the body
            self._beginning = beginning
        self._last = [end]
        self._gathers_at = self.sent + _GATHERED

    def ends(self) -> tuple[bytes, bytes]:
        """The first `BEGINNING` bytes and the last `TAIL` bytes of the body so far."""
        last = self._last
        large = last and len(last[-1]) >= TAIL  # a large piece is not copied whole
        end = last[-1] if large else b"".join(last)
        return self._beginning or b"".join(piece[:BEGINNING] for piece in last)[:BEGINNING], end[-TAIL:]
