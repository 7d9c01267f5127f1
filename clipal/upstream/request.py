"""One client's request, as it is sent to any number of providers."""

from __future__ import annotations

from attrs import frozen

from clipal.config.model import Carrier
from clipal.dialects.model_name import RequestedModel
from clipal.upstream.body import BytesBody
from clipal.wire.message import RequestHead


@frozen
class UpstreamRequest:
    """A request whose body is complete.

    Attributes:
        path: raw, behind the client's prefix: empty, or it begins with a slash.
        query: raw, without its question mark; None where there was none.
        carrier: where the client's own key travelled, or the dialect's usual place.
        model: the model that it names; None where it names none, or where no provider of its route cares.
        opens_websocket: whether it is a WebSocket's handshake; its key and version are checked.
    """

    head: RequestHead
    path: bytes
    query: bytes | None
    body: BytesBody
    carrier: Carrier
    opens_websocket: bool = False
    model: RequestedModel | None = None

    @property
    def method(self) -> bytes:
        """As it came."""
        return self.head.method
