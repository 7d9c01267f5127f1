"""A provider's answer, as twisted.web's IResponse: a head that has come, and a body that follows."""

from __future__ import annotations

from typing import Any, Final, Protocol, cast

from twisted.internet.interfaces import IProtocol, ITransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IClientRequest, IResponse
from zope.interface import implementer

from clipal.wire.message import Fields, ResponseHead

WHOLE: Final = Failure(ResponseDone())
"""The end of a complete body. One serves all answers, because making and checking a Failure is slow."""


class BodyTransport(Protocol):
    """What a response asks of its connection, and the transport that a body's protocol gets: an IPushProducer."""

    def pauseProducing(self) -> None:
        """Stops reading the body until `resumeProducing`."""

    def resumeProducing(self) -> None:
        """Reads on."""

    def stopProducing(self) -> None:
        """Aborts the connection."""


@implementer(IResponse)
class Response:
    """What `clipal.upstream.agent.Agent` answers with.

    Beside IResponse it has the raw `head`, and `trailers` once the body is complete. Its body goes to `protocol`,
    which may be replaced by another one between two pieces; a protocol's transport is the `BodyTransport`.
    """

    previousResponse: IResponse | None = None
    request: IClientRequest | None = None

    def __init__(self, head: ResponseHead, connection: BodyTransport) -> None:
        self.head = head
        self.trailers: Fields = []
        self.connection = connection
        self.protocol: IProtocol | None = None
        self._waiting: list[bytes] = []
        self._reason: Failure | None = None

    # The head, as twisted.web has it: computed when somebody asks, because clipal itself reads `head`

    @property
    def version(self) -> tuple[bytes, int, int]:
        """The protocol's name and version."""
        return (b"HTTP", 1, int(self.head.version[-1]))

    @property
    def code(self) -> int:
        """The status."""
        return self.head.status

    @property
    def phrase(self) -> bytes:
        """The reason phrase."""
        return self.head.reason

    @property
    def length(self) -> Any:
        """Of the body, in bytes; UNKNOWN_LENGTH where the head does not say it."""
        length = self.head.content_length if self.head.has_body else 0
        return UNKNOWN_LENGTH if length is None else length

    @property
    def headers(self) -> Headers:
        """The fields as twisted.web has them; the raw ones are in `head`."""
        headers = Headers()
        for name, value in self.head.fields:
            headers.addRawHeader(name, value)
        return headers

    def setPreviousResponse(self, response: IResponse) -> None:
        """Part of IResponse. The agent does not call it, because it follows no redirects."""
        self.previousResponse = response

    def deliverBody(self, protocol: IProtocol) -> None:
        """Gives the body to `protocol`: what has come, then what comes, then a `connectionLost` that says how it ended.

        The reason is a ResponseDone of twisted.web's for a complete body, and an UpstreamError for a broken one.
        """
        self.protocol = protocol
        if self._reason is None:
            self.connection.resumeProducing()  # first, because the protocol may pause when it gets data
        protocol.makeConnection(cast("ITransport", self.connection))
        if self._waiting:
            body = b"".join(self._waiting)
            self._waiting.clear()
            protocol.dataReceived(body)
        if self._reason is not None:
            self._end(self._reason)

    def deliver_rest(self, protocol: IProtocol) -> tuple[list[bytes], Failure | None]:
        """Gives what comes from now on to `protocol`, which gets no transport.

        Returns:
            what has come so far, and how the body ended; None where it goes on.
        """
        pieces, self._waiting = self._waiting, []
        if self._reason is None:
            self.protocol = protocol
            self.connection.resumeProducing()
        return pieces, self._reason

    def body_received(self, data: bytes) -> None:
        """The connection brought a piece of the body."""
        if self.protocol is not None:
            self.protocol.dataReceived(data)
            return
        self._waiting.append(data)

    def body_ended(self, reason: Failure) -> None:
        """The body is complete, or broke off."""
        if self._reason is not None:
            return
        self._reason = reason
        self._end(reason)

    def _end(self, reason: Failure) -> None:
        """Tells the protocol, and drops the reference to it, so that both are freed without the garbage collector."""
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connectionLost(reason)
