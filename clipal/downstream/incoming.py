"""What comes in on one connection: bytes become requests, or reasons to refuse them, in their order.

A head is let in or refused as soon as it is complete, a body is bounded while it comes, and nothing is read behind what
is refused. Nothing is answered here: what is `waiting` is the channel's to answer.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from attrs import frozen
from twisted.internet.tcp import Connection

from clipal.dialects.dialect import Refused
from clipal.downstream.admission import Refusal
from clipal.downstream.request import Request
from clipal.wire.message import END, BadMessage, RequestHead
from clipal.wire.request_parser import RequestParser

if TYPE_CHECKING:
    from clipal.downstream.channel import Channel

HEAD_DEADLINE: Final = 10.0
"""Seconds for a head, from its first byte on, however it trickles."""
BODY_DEADLINE: Final = 60.0
"""Seconds without a byte of a body."""
IDLE_DEADLINE: Final = 120.0
"""Seconds without a request on an open connection."""
_LARGE_READ: Final = 256 * 1024
"""Bytes of a large body that are read at a time; each read costs a turn of the loop."""

_SLOW = Refusal(Refused.TIMEOUT, "The request did not come in time.")
_STOPPING = Refusal(Refused.UNAVAILABLE, "clipal is stopping.")


@frozen
class Rejected:
    """A request that may not come in, waiting for its turn to be told so."""

    refusal: Refusal
    head: RequestHead | None


class Intake:
    """The receiving half of a `Channel`.

    Attributes:
        waiting: what is to be answered, in order.
        last_is_in: whether nothing more is read, for the last request is complete, or refused.
        continue_due: whether the client waits for a 100 Continue before it sends the body.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._site = channel.site
        self._parser = RequestParser(channel.site.may_leave)
        self._incoming: Request | None = None
        self.waiting: deque[Request | Rejected] = deque()
        self.last_is_in = False
        self.continue_due = False

    @property
    def idle(self) -> bool:
        """Whether no request has begun since the last one was complete."""
        return self._parser.idle

    @property
    def in_head(self) -> bool:
        """Whether a request has begun whose head is not complete."""
        return self._parser.in_head

    def take_rest(self) -> bytes:
        """Gives away what came behind the head of a request that leaves HTTP, in the same read: it may be anything."""
        rest, self._parser.rest = self._parser.rest, b""
        return rest

    def patience(self) -> float:
        """Seconds that the client has for what comes next."""
        if self._incoming is not None:
            return BODY_DEADLINE
        return HEAD_DEADLINE if self._parser.in_head else IDLE_DEADLINE

    def feed(self, data: bytes) -> None:
        """Takes what the socket brought."""
        for item in self._parser.feed(data):
            if isinstance(item, RequestHead):
                self._begin(item)
            elif item is END:
                self._complete()
            elif isinstance(item, BadMessage):
                self._reject(Refusal(Refused(item.status), f"This is not HTTP as it is served here: {item.problem}."))
            elif isinstance(item, bytes):
                self._take(item)
            if self.last_is_in:
                break

    def _begin(self, head: RequestHead) -> None:
        site = self._site
        refusal = _STOPPING if site.draining else site.admission.refusal(head, self._channel.local_address)
        if refusal is not None:
            self._reject(refusal, head)
            return
        self._incoming = Request(self._channel, head)
        self.continue_due = head.version == "1.1" and head.table.get(b"expect", b"").lower() == b"100-continue"

    def _take(self, piece: bytes) -> None:
        request = self._incoming
        assert request is not None
        self.continue_due = False
        if request.received:  # one read was not enough: read more at a time
            self._channel.transport.bufferSize = _LARGE_READ
        request.handleContentChunk(piece)
        refusal = self._site.admission.too_large(request.received)
        if refusal is not None:
            self._reject(refusal, request.head)

    def _complete(self) -> None:
        request, self._incoming = self._incoming, None
        assert request is not None
        self.continue_due = False
        self.last_is_in = not request.head.keep_alive
        self._channel.transport.bufferSize = Connection.bufferSize
        self.waiting.append(request)

    def _reject(self, refusal: Refusal, head: RequestHead | None = None) -> None:
        """Lets `refusal` be answered in its turn; nothing behind it is read."""
        self._incoming = None
        self.last_is_in = True
        self.waiting.append(Rejected(refusal, head))

    # Early ends

    def too_slow(self) -> None:
        """The rest of the request did not come in time."""
        self._reject(_SLOW, None if self._incoming is None else self._incoming.head)

    def close(self) -> None:
        """Nothing of what is waiting will be answered, and nothing more is read."""
        self.last_is_in = True
        self.waiting.clear()

    def lost(self) -> None:
        """The connection is gone, and whatever is waiting or incomplete with it."""
        self.waiting.clear()
        incoming, self._incoming = self._incoming, None  # its body is not to wait for the garbage collector
        if incoming is not None:
            self._site.left(incoming)
