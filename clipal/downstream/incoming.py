"""Parses the bytes of one connection into requests or refusals, one at a time.

Bytes that come behind a request wait unparsed until it is answered. A head is let in or refused as soon as it is
complete, a body is bounded while it comes, and nothing is read after a refusal. Nothing is answered here: the channel
answers what `feed` returns.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from twisted.internet.tcp import Connection

from clipal.downstream.admission import Refusal
from clipal.downstream.interfaces import IncomingChannel
from clipal.downstream.request import Request
from clipal.wire.message import END, BadMessage, RequestHead
from clipal.wire.request_parser import RequestParser

HEAD_DEADLINE: Final = 10.0
"""Seconds for a whole head, from its first byte on, however slowly its bytes come."""
BODY_SILENCE: Final = 60.0
"""Seconds without a byte of a body."""
BODY_DEADLINE: Final = 600.0
"""Seconds for a whole body, from the end of its head on, however slowly its bytes come."""
IDLE_DEADLINE: Final = 120.0
"""Seconds without a request on an open connection."""
READ_AHEAD: Final = 64 * 1024
"""Bytes kept behind a request; with more, reading stops. One read may exceed it."""
_LARGE_READ: Final = 256 * 1024
"""Bytes of a large body that are read at a time, because each read costs a turn of the event loop."""
_LEAST: Final = 0.001

_SLOW = Refusal(HTTPStatus.REQUEST_TIMEOUT, "The request did not come in time.", "too slow")
_NO_MEMORY = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Too many large requests wait at once. Please retry in 1s.",
    "no memory",
    retry_after=1,
)


class Incoming:
    """The receiving half of a channel.

    Attributes:
        refused_head: the head of the request that is refused; None where no head was complete.
        last_is_in: whether nothing more is read, because the last request is complete or refused.
        continue_due: whether the client waits for a 100 Continue before it sends the body.
        overfull: whether reading has stopped because many bytes are kept.
    """

    def __init__(self, channel: IncomingChannel) -> None:
        self._channel = channel
        self._site = channel.site
        self._parser = RequestParser(channel.site.may_upgrade)
        self._request: Request | None = None
        self._ready: Request | Refusal | None = None
        self._due = 0.0  # when the head or the body that is coming must be complete; 0 between requests
        self._ahead = bytearray()
        self.refused_head: RequestHead | None = None
        self.last_is_in = False
        self.continue_due = False
        self.overfull = False

    @property
    def idle(self) -> bool:
        """Whether no byte has come since the last request was complete."""
        return self._parser.idle and not self._ahead

    def patience(self) -> float:
        """Seconds in which the client must send more."""
        if self._parser.idle:
            return self._site.drain.idle_deadline or IDLE_DEADLINE
        now = self._site.reactor.seconds()
        if not self._due:
            self._due = now + HEAD_DEADLINE
        left = max(_LEAST, self._due - now)
        return left if self._request is None else min(BODY_SILENCE, left)

    # Bytes

    @property
    def has_kept(self) -> bool:
        """Whether bytes have come behind the request that is being answered."""
        return bool(self._ahead)

    def keep(self, data: bytes) -> None:
        """Keeps `data` until its turn. With too many bytes, reading stops."""
        if not self.last_is_in:
            self._ahead += data
        if len(self._ahead) > READ_AHEAD:
            self.overfull = True
            self._channel.transport.pauseProducing()

    def take_kept(self) -> bytes:
        """Gives away the bytes that are kept."""
        kept = bytes(self._ahead)
        self._ahead.clear()
        return kept

    def read_on(self) -> None:
        """Reads again."""
        self.overfull = False
        self._channel.transport.resumeProducing()

    def feed(self, data: bytes) -> Request | Refusal | None:
        """Parses bytes up to the end of one request, and keeps the rest.

        Returns:
            what is to be answered: the request that is complete, or a refusal; None where more must come first.
        """
        for item in self._parser.feed(data):
            if isinstance(item, bytes):
                self._take(item)
            elif isinstance(item, RequestHead):
                self._begin(item)
            elif item is END:
                self._complete()
            elif isinstance(item, BadMessage):
                message = f"This is not HTTP as it is served here: {item.problem}."
                self._reject(Refusal(HTTPStatus(item.status), message, "not HTTP"))
            if self.last_is_in:
                break
        if self._parser.rest:
            self.keep(self._parser.take_rest())
        ready, self._ready = self._ready, None
        return ready

    # Requests

    def _begin(self, head: RequestHead) -> None:
        site = self._site
        admitted = site.admitted(self._channel, head)
        if isinstance(admitted, Refusal):
            self._reject(admitted, head)
            return
        request = Request(self._channel, head, admitted)
        length = int(head.table.get(b"content-length", 0))
        if not site.bodies.hold(request, length, site.admission.max_buffered):
            self._reject(_NO_MEMORY, head)
            return
        self._request = request
        self._due = request.began + BODY_DEADLINE
        self.continue_due = head.version == "1.1" and head.table.get(b"expect", b"").lower() == b"100-continue"

    def _take(self, piece: bytes) -> None:
        request = self._request
        assert request is not None
        self.continue_due = False
        if request.received:  # the body did not come with one read: read more at a time
            self._channel.transport.bufferSize = _LARGE_READ
        request.body_received(piece)
        if request.head.chunked:
            self._bound(request, len(piece))

    def _bound(self, request: Request, more: int) -> None:
        """Counts a piece of a body whose length was not announced, or refuses the request."""
        site = self._site
        if request.received > site.admission.max_body:
            self._reject(site.admission.too_large(), request.head)
        elif not site.bodies.hold(request, more, site.admission.max_buffered):
            self._reject(_NO_MEMORY, request.head)

    def _complete(self) -> None:
        request, self._request = self._request, None
        assert request is not None
        self.continue_due = False
        self.last_is_in = not (request.head.keep_alive or self._site.may_upgrade(request.head))
        self._channel.transport.bufferSize = Connection.bufferSize
        self._due = 0.0
        self._ready = request

    def _reject(self, refusal: Refusal, head: RequestHead | None = None) -> None:
        """Makes `refusal` ready; nothing is read after it."""
        self._forget()
        self._ahead.clear()
        self.last_is_in = True
        self._ready, self.refused_head = refusal, head

    def _forget(self) -> Request | None:
        """Drops the request that is not complete, and returns it."""
        request, self._request = self._request, None
        if request is not None:
            request.forget_body()
        return request

    # Early ends

    def too_slow(self) -> Refusal:
        """Refuses the request, because the rest of it did not come in time."""
        self._reject(_SLOW, None if self._request is None else self._request.head)
        return _SLOW

    def close(self) -> None:
        """Drops what has come and is not being answered yet; nothing more is read."""
        self.last_is_in = True
        self._ahead.clear()

    def lost(self) -> Request | None:
        """The connection is lost. Returns the request that was not complete, if any."""
        self.close()
        return self._forget()  # frees its body now, and not with the next garbage collection
