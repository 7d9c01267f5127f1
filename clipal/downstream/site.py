"""The Site: makes channels, keeps those that are open, numbers requests, and refuses in the client's dialect."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from itertools import count
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import Site as WebSite

from clipal.config.client_token import ClientToken
from clipal.dialects.dialect import Dialect
from clipal.downstream.access import PAGES, ClientAccess
from clipal.downstream.admission import Admission, Refusal, first_segment, path_of
from clipal.downstream.capacity import FULL, NO_ADDRESS, Bodies, Capacity
from clipal.downstream.channel import Channel
from clipal.downstream.connections import ClientConnection, Connections
from clipal.downstream.drain import Drain
from clipal.downstream.interfaces import IncomingChannel
from clipal.downstream.page import PageRequest
from clipal.downstream.refusal import refusal_bytes
from clipal.downstream.refusal_log import RefusalLog
from clipal.downstream.request import Relaying, Request
from clipal.downstream.request_line import shown_path
from clipal.wire.message import RequestHead

_ID: Final = re.compile(rb"[\x21-\x7e]{1,64}")
"""The ids of clients that are kept as they are."""
_STOPPED: Final = Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "clipal has stopped.", "stopped")
_METHODS: Final = (b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PUT")
"""The methods that Allow lists where a provider answers. WebDAV's and other known methods reach a provider, too."""


class Site(WebSite):
    """Serves all clients of this process.

    Attributes:
        admission: replaced whole when the configuration is.
        access: lets requests in by where they come from, and by their tokens.
        capacity: counts connections against their limits.
        bodies: bounds the memory that the bodies of all requests take.
        connections: bounds the open connections.
        channels: the open connections.
        refused: how many requests clipal refused, by reason.
        drain: the end of serving.
    """

    _log = Logger()

    def __init__(
        self,
        resource: Resource,
        reactor: IReactorTime,
        admission: Admission,
        dialects: Sequence[Dialect],
        connections: Connections,
        access: ClientAccess,
        capacity: Capacity,
    ) -> None:
        super().__init__(resource, reactor=reactor, parsePOSTFormSubmission=False)
        self.admission = admission
        self.connections = connections
        self.access = access
        self.capacity = capacity
        self.channels: set[Any] = connections.open
        self.bodies = Bodies()
        self.refused: dict[str, int] = {}
        self.drain = Drain(reactor, self.channels)
        self.noisy = False
        self._dialects = {dialect.prefix.encode("ascii"): dialect for dialect in dialects}
        self._numbers = count(1)
        self._run = secrets.token_hex(4)
        self._refusals = RefusalLog(reactor)

    def id_of(self, head: RequestHead | None) -> str:
        """A request's id: the client's own `x-request-id` if that has 1 to 64 visible characters, else a new id."""
        given = None if head is None else head.table.get(b"x-request-id")
        return given.decode("ascii") if given is not None and _ID.fullmatch(given) else self.new_id()

    def new_id(self) -> str:
        """An id of this run's random prefix and the next number."""
        return f"{self._run}-{next(self._numbers):06x}"

    def dialect_of(self, head: RequestHead | None) -> Dialect | None:
        """The dialect of the client that the target names by its prefix; None where it names none."""
        return None if head is None else self._dialects.get(first_segment(head.target))

    def may_upgrade(self, head: RequestHead) -> bool:
        """Whether a request may upgrade to WebSocket, once it is let in."""
        return self.admission.tunnels(head)

    def admitted(self, channel: IncomingChannel, head: RequestHead) -> ClientToken | Refusal | None:
        """The token with which a request is let in, None where it needs no token, or the refusal."""
        if self.drain.over:
            return _STOPPED
        source = channel.source
        refusal = self.admission.refusal(head, source.local_address)
        if refusal is not None:
            return refusal
        segment = first_segment(head.target)
        capacity = self.capacity
        if channel in capacity.spare and capacity.is_beyond(channel) and segment not in PAGES:
            return FULL
        dialect = self._dialects.get(segment)
        return self.access.admitted(head, source, segment, None if dialect is None else dialect.prefix)

    def refuse(self, refusal: Refusal, head: RequestHead | None, address: str) -> bytes:
        """The bytes of the answer to a request that is refused. The connection is closed after it.

        Parameters:
            address: the client's, without a port.
        """
        fields = refusal.fields
        if refusal.status is HTTPStatus.METHOD_NOT_ALLOWED:
            fields = (*fields, (b"Allow", b", ".join(self._allowed(head))))
        request_id = self.id_of(head)
        self.note_refusal(refusal, head, request_id, address)
        return refusal_bytes(
            refusal.status,
            refusal.message,
            request_id,
            self.dialect_of(head),
            close=True,
            with_body=head is None or head.method != b"HEAD",
            retry_after=refusal.retry_after,
            fields=fields,
        )

    def note_refusal(self, refusal: Refusal, head: RequestHead | None, request_id: str, address: str) -> None:
        """Counts a refusal, and logs it unless the log has many of its kind."""
        self.refused[refusal.reason] = self.refused.get(refusal.reason, 0) + 1
        if self._refusals.has_line(refusal, address):
            dialect = self.dialect_of(head)
            self._log.info(
                "refused {method} {path} from {peer} → {status} ({id}): {why}",
                method="-" if head is None else shown_path(head.method),
                path="-" if head is None else shown_path(path_of(head.target).partition(b"?")[0]),
                status=refusal.status.value,
                id=request_id,
                why=refusal.why,
                client=None if dialect is None else dialect.prefix,
                token_name=refusal.token_name,
                peer=address,
            )

    def _allowed(self, head: RequestHead | None) -> Sequence[bytes]:
        """The methods that are served at a request's target."""
        path = b"" if head is None else path_of(head.target).partition(b"?")[0]
        resource = self.resource.getStaticEntity(path[1:].partition(b"/")[0])
        if resource is None or isinstance(resource, Relaying):
            return _METHODS
        return [name[7:].encode("ascii") for name in dir(resource) if name.startswith("render_")]

    def serve(self, request: Request, channel: HTTPChannel) -> None:
        """Answers `request`, now or later, by the Resource at the raw path.

        The first segment is not decoded, so no other spelling of a client's prefix fits.
        """
        try:
            resource = self.resource.getStaticEntity(request.path[1:].partition(b"/")[0])
            if isinstance(resource, Relaying):
                resource.relay(request)
            else:
                PageRequest(request, channel, self).process()
        except Exception:
            self._log.failure("Bug while answering {id}", id=request.id)
            request.fail()

    def disconnected(self, request: Request) -> None:
        """Logs that a client disconnected before its request was complete; no provider was asked."""
        dialect = self.dialect_of(request.head)
        self._log.info(
            "{method} {path} → client left in the request, after {received} bytes of its body [{id}]",
            method=request.method.decode("latin-1"),
            path=shown_path(request.path),
            received=request.received,
            id=request.id,
            client=None if dialect is None else dialect.prefix,
            bytes_in=request.received,
            peer=request.peer,
        )

    @property
    def draining(self) -> bool:
        """Whether a drain has begun."""
        return self.drain.began

    # Connections

    def connection_made(self, channel: ClientConnection, address: str) -> bool:
        """A client has connected. Returns whether there is room for it, if only for `/health` and `/status`."""
        self.connections.add(channel)
        self.drain.connected()
        return self.capacity.add(channel, address)

    def preface_made(self, preface: ClientConnection, address: str | None) -> bool:
        """A client has connected to a listener that expects something before HTTP; whether there is room for it.

        Parameters:
            address: None where it is not known yet, or there is none.
        """
        self.connections.add(preface)
        self.drain.connected()
        has_room = self.capacity.add(preface, address or NO_ADDRESS)
        if not has_room:
            self.note_refusal(FULL, None, self.new_id(), address or NO_ADDRESS)
        return has_room

    def preface_lost(self, preface: ClientConnection) -> None:
        """The connection is lost, or HTTP begins on it."""
        self.connections.discard(preface)
        self.capacity.discard(preface)
        self.drain.look()

    def connection_lost(self, channel: ClientConnection) -> None:
        """The connection of a client is lost."""
        self.connections.discard(channel)
        self.capacity.discard(channel)
        self.drain.look()

    def sum_up(self) -> None:
        """Logs how many refusals were counted without a line of their own."""
        self._refusals.sum_up()

    # twisted.web

    def buildProtocol(self, addr: IAddress | None) -> Channel:  # type: ignore[override]  # twisted.web returns a wrapper
        return Channel(self)

    def startFactory(self) -> None:
        """Opens no access log of twisted.web: that would show whole URIs, and a URI may hold a key."""

    def stopFactory(self) -> None:
        """Does nothing, because `startFactory` opened nothing."""

    def log(self, request: object) -> None:
        """Does nothing: the exchange of a request logs its line."""
