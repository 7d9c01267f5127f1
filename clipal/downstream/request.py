"""A request of a client: its raw head, its body in memory so that it can be sent again, and the end of its answer.

A relay writes the answer to `transport` and calls `finish`. An ordinary Resource (`/health`) gets a
`clipal.downstream.page.PageRequest` that is made from the request.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from twisted.web.resource import Resource

from clipal.config.client_token import ClientToken
from clipal.downstream.access import Stream
from clipal.downstream.admission import Refusal, path_of
from clipal.downstream.interfaces import RequestChannel
from clipal.downstream.refusal import refusal_bytes
from clipal.transport.tcp import EagerServer
from clipal.wire.message import RequestHead

_SMALL = 16 * 1024
_GATHERED = 64 * 1024
"""Pieces of a body that are shorter than `_SMALL` bytes are joined until they have `_GATHERED` bytes.

A slow client sends one packet at a time, and each piece costs a place in a system call to the provider, or a TLS
record.
"""


class Request:
    """One request on a channel. Its repr shows no target, because a key may be in the target.

    Attributes:
        head: as it came.
        received: bytes of the body so far.
        held: bytes that are counted for it (`clipal.downstream.capacity`).
        started: whether some bytes of an answer are written.
        finished: whether the answer has ended, whole or broken off.
        on_disconnect: called when the connection is lost before the answer is complete.
        lost: why the connection was lost; None before.
        peer: the client's address, without a port.
        token: the token with which the request was let in; None where no token is needed.
        token_name: the name of the token.
        stream: counts the request while providers answer it; None for a request that no provider answers.
    """

    def __init__(self, channel: RequestChannel, head: RequestHead, token: ClientToken | None = None) -> None:
        self.channel = channel
        self.transport: EagerServer = channel.transport
        self.head = head
        self.id = channel.site.id_of(head)
        self.peer = channel.source.address
        self.began: float = channel.site.reactor.seconds()
        self.method = head.method
        self.uri = head.target if head.target.startswith(b"/") else path_of(head.target)
        self.path, mark, query = self.uri.partition(b"?")
        self.query = query if mark else None
        self.received = 0
        self.held = 0
        self.started = False
        self.finished = False
        self.on_disconnect: Callable[[], None] | None = None
        self.lost: Failure | None = None
        self.token = token
        self.token_name = None if token is None else token.name
        self.stream: Stream | None = None
        self._body: list[bytes | bytearray] = []

    # The body

    def body_received(self, data: bytes) -> None:
        """Takes a piece of the body. Small pieces are joined, because each costs more memory than its bytes."""
        body = self._body
        if len(data) >= _SMALL or not body:
            body.append(data)
        elif isinstance(last := body[-1], bytearray) and len(last) < _GATHERED:
            last += data
        else:
            body.append(bytearray(data))
        self.received += len(data)

    def take_body(self) -> list[bytes | bytearray]:
        """Gives away the pieces of a complete body, so that the caller decides for how long they are kept."""
        pieces, self._body = self._body, []
        return pieces

    def forget_body(self) -> None:
        """Frees the body, which will not be sent again, and ends its count."""
        self._body = []
        if self.held:
            self.channel.site.bodies.release(self)

    # The answer

    def answer(
        self,
        status: HTTPStatus,
        message: str,
        *,
        retry_after: int | None = None,
        fields: tuple[tuple[bytes, bytes], ...] = (),
    ) -> int:
        """Answers in place of a provider, in the client's own error shape.

        Returns:
            the bytes written.
        """
        dialect = self.channel.site.dialect_of(self.head)
        data = refusal_bytes(
            status,
            message,
            self.id,
            dialect,
            close=self.channel.closes_behind(),
            with_body=self.method != b"HEAD",
            retry_after=retry_after,
            fields=fields,
        )
        self.started = True
        self.transport.write(data)
        self.finish()
        return len(data)

    def refuse(self, refusal: Refusal) -> None:
        """Answers with `refusal`, counts it and logs it. The connection stays open."""
        self.channel.site.note_refusal(refusal, self.head, self.id, self.peer)
        self.answer(refusal.status, refusal.message, retry_after=refusal.retry_after, fields=refusal.fields)

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """See IConsumer."""
        self.channel.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """See IConsumer."""
        self.channel.unregisterProducer()

    # The end

    def finish(self) -> None:
        """The answer is written to its end."""
        assert not self.finished, "an answer has one end"
        self._end()
        self.channel.answered()

    def fail(self) -> None:
        """Ends the request after a bug of clipal's: with an error, or aborted if bytes of an answer were written."""
        if self.finished:
            return
        if self.started:
            self.abort()
        else:
            self.answer(HTTPStatus.INTERNAL_SERVER_ERROR, "clipal made a mistake; its log has the details.")

    def abort(self) -> None:
        """Aborts an answer that cannot be completed, so that the client notices."""
        self._end()
        self.channel.abort()

    def disconnected(self, reason: Failure) -> None:
        """The connection was lost before the answer was complete."""
        self.lost = reason
        on_disconnect = self.on_disconnect
        self._end()
        if on_disconnect is not None:
            on_disconnect()

    def _end(self) -> None:
        self.finished = True
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.end()
        self.on_disconnect = None
        self.forget_body()

    def __repr__(self) -> str:
        return f"<Request {self.id}>"


class Relaying(Resource):
    """A Resource below the root that relays answers. It gets a `Request`, not a request of twisted.web."""

    def relay(self, request: Request) -> None:
        """Answers `request`, now or later."""
        raise NotImplementedError
