"""A request of a client, as the Resource tree sees it.

It keeps its raw head, and the pieces of its body in memory, so that it can be sent again. Ordinary Resources
(`/health`) see an ordinary twisted.web request; whoever relays an answer writes to `transport` and calls `finish`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from twisted.internet.error import ConnectionDone
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.error import UnsupportedMethod
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource, Resource, getChildForRequest
from twisted.web.server import NOT_DONE_YET
from twisted.web.server import Request as WebRequest

from clipal.downstream.admission import path_of
from clipal.downstream.refusal import OwnAnswer
from clipal.wire.message import RequestHead

if TYPE_CHECKING:
    from collections.abc import Callable

    from clipal.downstream.channel import Channel

_SMALL = 16 * 1024
_GATHERED = 64 * 1024
"""Bytes: pieces of a body that are shorter than the one are put together until they are as long as the other.

A slow client sends a packet at a time, and each piece costs a place in a system call to the provider, or a TLS record.
"""


class Relaying(Resource):
    """A Resource that relays answers: it uses `head`, `transport` and `finish`, and nothing of twisted.web's."""


class Request(WebRequest):
    """One request on a `Channel`. Its repr shows no target, for there may be a key in it.

    Attributes:
        head: as it came.
        received: bytes of the body so far.
        held: how many of them count as waiting in memory (`clipal.downstream.bodies`).
        client_gone: called once when the connection is lost before the answer is complete.
        lost: why it was.
        peer: the client's address, without a port.
        token_name: of the client's token that it brought; None for none.
    """

    channel: Channel
    transport: Connection
    queued = False
    lost: Failure | None = None
    token_name: str | None = None
    _log = Logger()

    def __init__(self, channel: Channel, head: RequestHead) -> None:
        # Not twisted.web's: what it makes is for ordinary Resources, who get it in `process` (5 us a request).
        self.channel = channel
        self.transport = channel.transport
        self.notifications = []
        self.head = head
        self.id = channel.site.id_of(head)
        self.peer = channel.peer
        self.began: float = channel.site.reactor.seconds()
        self.received = 0
        self.client_gone: Callable[[], None] | None = None
        self.method = head.method
        self.uri = path_of(head.target)
        self.path, mark, query = self.uri.partition(b"?")
        self.query = query if mark else None
        self.clientproto = b"HTTP/" + head.version.encode("ascii")
        self.held = 0
        self._body: list[bytes | bytearray] = []

    @property
    def requestHeaders(self) -> Headers:
        """The fields as twisted.web has them, made when somebody asks; the raw ones are in `head`."""
        headers = Headers()
        for name, value in self.head.fields:
            headers.addRawHeader(name, value)
        return headers

    @requestHeaders.setter
    def requestHeaders(self, headers: Headers) -> None:
        """twisted.web sets an empty one at first."""

    def handleContentChunk(self, data: bytes) -> None:
        """Takes a piece of the body; many small ones would cost a multiple of what they hold."""
        body = self._body
        if len(data) >= _SMALL or not body:
            body.append(data)
        elif isinstance(last := body[-1], bytearray) and len(last) < _GATHERED:
            last += data
        else:
            body.append(bytearray(data))
        self.received += len(data)

    def take_body(self) -> list[bytes | bytearray]:
        """Gives the pieces of the body away, once it is complete: whoever takes it decides for how long it is kept."""
        pieces, self._body = self._body, []
        return pieces

    def forget_body(self) -> None:
        """Nobody will send the body again: it takes no memory and does not count any more."""
        self._body = []
        if self.held:
            self.channel.site.bodies.release(self)

    @property
    def closes(self) -> bool:
        """Whether the connection ends with the answer; to be asked when its head is written."""
        return self.channel.closes_behind()

    # Answering

    def process(self) -> None:
        """Finds the Resource by the raw path: its segments are not decoded, so no other spelling of a prefix fits."""
        self.prepath = []
        self.postpath = self.path[1:].split(b"/")
        try:
            resource = getChildForRequest(self.channel.site.resource, self)
            if not isinstance(resource, Relaying):
                super().__init__(self.channel, parsePOSTFormSubmission=False)
                self.site = self.channel.site
                self.args = {}
            self.render(resource)
        except Exception:
            self._log.failure("Bug while answering {id}", id=self.id)
            self.fail()

    def render(self, resrc: IResource) -> None:
        """As twisted.web's, but never HTML."""
        try:
            body = resrc.render(self)
        except UnsupportedMethod as error:
            allowed = b", ".join(error.allowedMethods)
            self.channel.site.count_refusal("method")
            self.answer(HTTPStatus.METHOD_NOT_ALLOWED, "This method is not served here.", fields=((b"Allow", allowed),))
            return
        if body is NOT_DONE_YET:
            return
        self.setHeader(b"Content-Length", b"%d" % len(body))
        self.write(body)
        self.finish()

    def write(self, data: bytes) -> None:
        """As twisted.web's; says so when the connection ends with this answer."""
        if not self.startedWriting and self.closes:
            self.setHeader(b"Connection", b"close")
        super().write(data)

    def answer(
        self,
        refused: HTTPStatus,
        message: str,
        *,
        retry_after: int | None = None,
        fields: tuple[tuple[bytes, bytes], ...] = (),
    ) -> int:
        """Answers in a provider's place, in the client's own error shape.

        Returns:
            the bytes written.
        """
        dialect = self.channel.site.dialect_of(self.head)
        own = OwnAnswer(refused, message, self.id, dialect, retry_after, fields)
        data = own.to_bytes(close=self.closes, with_body=self.method != b"HEAD")
        self.startedWriting = 1
        self.transport.write(data)
        self.finish()
        return len(data)

    def fail(self) -> None:
        """A bug of ours: an error if nothing has been written, else the connection's end; the next request is fine."""
        if self._disconnected or self.finished:
            return
        if self.startedWriting:
            self.abort()
        else:
            self.answer(HTTPStatus.INTERNAL_SERVER_ERROR, "clipal made a mistake; its log has the details.")

    def abort(self) -> None:
        """Ends an answer that cannot be completed, so that the client must notice."""
        self.finished = 1
        self.channel.abort()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 (never changed)
        self.lost = reason
        self.forget_body()
        gone, self.client_gone = self.client_gone, None
        super().connectionLost(reason)
        if gone is not None:
            gone()

    def __repr__(self) -> str:
        return f"<Request {self.id}>"
