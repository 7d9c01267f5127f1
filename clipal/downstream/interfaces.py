"""What `Request` and `Incoming` need of their channel and of its site.

`Channel` and `Site` provide these interfaces. They are in a module of their own so that imports go one way: request,
incoming, channel, site.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IPushProducer, IReactorTime

from clipal.config.client_token import ClientToken
from clipal.dialects.dialect import Dialect
from clipal.downstream.access import ClientAccess
from clipal.downstream.admission import Admission, Refusal
from clipal.downstream.capacity import Bodies
from clipal.downstream.drain import Drain
from clipal.downstream.peer import Peer
from clipal.transport.deadline import Deadline
from clipal.transport.tcp import EagerServer
from clipal.wire.message import RequestHead


class RequestSite(Protocol):
    """The site of a request."""

    @property
    def reactor(self) -> IReactorTime: ...

    @property
    def bodies(self) -> Bodies: ...

    @property
    def draining(self) -> bool: ...

    def id_of(self, head: RequestHead | None) -> str:
        """The id of a request."""

    def dialect_of(self, head: RequestHead | None) -> Dialect | None:
        """The dialect of the client that the request's target names; None where it names none."""

    @property
    def access(self) -> ClientAccess: ...

    def note_refusal(self, refusal: Refusal, head: RequestHead | None, request_id: str, address: str) -> None:
        """Counts and logs one refusal."""


class RequestChannel(Protocol):
    """The connection on which a request came."""

    @property
    def site(self) -> RequestSite: ...

    @property
    def transport(self) -> EagerServer: ...

    @property
    def source(self) -> Peer: ...

    @property
    def first_byte(self) -> Deadline: ...

    @property
    def silence(self) -> Deadline: ...

    def closes_behind(self) -> bool:
        """Whether the connection ends with the answer. It is called when the answer's head is written."""

    def close_behind(self) -> None:
        """Ends the connection with the answer that is being given."""

    def upgrade(self, receive: Callable[[bytes], None]) -> None:
        """Upgrades the connection: what the client sends goes to `receive`."""

    def answered(self) -> None:
        """The answer is written to its end."""

    def abort(self) -> None:
        """Aborts the connection, because the answer cannot be completed."""

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """See IConsumer."""

    def unregisterProducer(self) -> None:
        """See IConsumer."""


class IncomingSite(RequestSite, Protocol):
    """The site of `Incoming`."""

    @property
    def admission(self) -> Admission: ...

    @property
    def drain(self) -> Drain: ...

    def admitted(self, channel: IncomingChannel, head: RequestHead) -> ClientToken | Refusal | None:
        """The token with which a request is let in, None where it needs no token, or the refusal."""

    def may_upgrade(self, head: RequestHead) -> bool:
        """Whether a request may upgrade to WebSocket, once it is let in."""


class IncomingChannel(RequestChannel, Protocol):
    """The connection of `Incoming`."""

    @property
    def site(self) -> IncomingSite: ...
