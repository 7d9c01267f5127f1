"""A request of a client: its raw head, its body in memory so that it can be sent again, and the end of its answer.

Whoever relays an answer writes to `transport` and calls `finish`. Ordinary Resources (`/health`) get a
`clipal.downstream.page.PageRequest` that is made of it.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from twisted.internet.interfaces import IPushProducer
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from twisted.web.resource import Resource

from clipal.config.client_token import ClientToken
from clipal.downstream.access import Stream
from clipal.downstream.admission import Refusal, path_of
from clipal.downstream.interfaces import RequestChannel
from clipal.downstream.refusal import refusal_bytes
from clipal.wire.message import RequestHead

_SMALL = 16 * 1024
_GATHERED = 64 * 1024
"""Bytes: pieces of a body that are shorter than the one are put together until they are as long as the other.

A slow client sends a packet at a time, and each piece costs a place in a system call to the provider, or a TLS record.
"""


class Request:
    """One request on a channel. Its repr shows no target, for there may be a key in it.

    Attributes:
        head: as it came.
        received: bytes of the body so far.
        held: how many of them count as waiting in memory (`clipal.downstream.bodies`).
        started: whether something of an answer is written.
        finished: whether the answer has ended, whole or broken off.
        on_disconnect: called once when the connection is lost before the answer is complete.
        lost: why it was.
        peer: the client's address, without a port.
        token: the client's, with which it was let in; None where none is needed.
        token_name: its name.
        stream: what counts it among those that providers answer; None for any other.
    """

    def __init__(self, channel: RequestChannel, head: RequestHead, token: ClientToken | None = None) -> None:
        self.channel = channel
        self.transport: Connection = channel.transport
        self.head = head
        self.id = channel.site.id_of(head)
        self.peer = channel.peer
        self.began: float = channel.site.reactor.seconds()
        self.method = head.method
        self.uri = path_of(head.target)
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

    # Its body

    def body_received(self, data: bytes) -> None:
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

    # Its answer

    @property
    def closes(self) -> bool:
        """Whether the connection ends with the answer; to be asked when its head is written."""
        return self.channel.closes_behind()

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
        data = refusal_bytes(
            refused,
            message,
            self.id,
            dialect,
            close=self.closes,
            with_body=self.method != b"HEAD",
            retry_after=retry_after,
            fields=fields,
        )
        self.started = True
        self.transport.write(data)
        self.finish()
        return len(data)

    def refuse(self, refusal: Refusal) -> None:
        """Answers with `refusal`; the connection stays as it is."""
        self.channel.site.note_refusal(refusal, self.head, self.id, self.peer)
        self.answer(refusal.refused, refusal.message, retry_after=refusal.retry_after, fields=refusal.fields)

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """See IConsumer."""
        self.channel.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """See IConsumer."""
        self.channel.unregisterProducer()

    # Its end

    def finish(self) -> None:
        """The answer is written."""
        assert not self.finished, "an answer has one end"
        self._end()
        self.channel.answered()

    def fail(self) -> None:
        """A bug of ours: an error if nothing has been written, else the connection's end; the next request is fine."""
        if self.finished:
            return
        if self.started:
            self.abort()
        else:
            self.answer(HTTPStatus.INTERNAL_SERVER_ERROR, "clipal made a mistake; its log has the details.")

    def abort(self) -> None:
        """Ends an answer that cannot be completed, so that the client must notice."""
        self._end()
        self.channel.abort()

    def disconnected(self, reason: Failure) -> None:
        """The connection was lost before the answer was complete."""
        self.lost = reason
        told = self.on_disconnect
        self._end()
        if told is not None:
            told()

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
    """A Resource, a child of the root, that relays answers: it gets a `Request`, and nothing of twisted.web's."""

    def relay(self, request: Request) -> None:
        """Answers `request`, now or later."""
        raise NotImplementedError
