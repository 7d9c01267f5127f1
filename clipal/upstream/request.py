"""One client's request, as it is sent to any number of providers."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from clipal.config.model import Carrier
from clipal.dialects.model_name import RequestedModel
from clipal.upstream.body import BytesBody
from clipal.wire.message import RequestHead


@define(eq=False)  # not frozen, because that doubles the cost of making one
class UpstreamRequest:
    """A request whose body is complete.

    Attributes:
        path: raw, behind the client's prefix: empty, or it begins with a slash.
        query: raw, without its question mark; None where there was none.
        carrier: where the client's own key travelled, or the dialect's usual place.
        model: the model that it names; None where it names none, or where no provider of its route
            has `models` or `serves`.
        opens_websocket: whether it is a WebSocket's handshake, whose key and version have been checked.
    """

    head: RequestHead
    path: bytes
    query: bytes | None
    body: BytesBody
    carrier: Carrier
    opens_websocket: bool = False
    model: RequestedModel | None = None


def ordinary_request(
    method: bytes, target: bytes, fields: Sequence[tuple[bytes, bytes]], body: BytesBody, carrier: Carrier
) -> UpstreamRequest:
    """The request that `IAgent.request` describes; no client sent it.

    Parameters:
        target: a path, and perhaps a query.
        fields: without a Content-Length, which is the body's.
        carrier: where the provider's key travels, if neither the key's kind nor the provider's `auth` says otherwise.
    """
    fields = [*fields, (b"Content-Length", b"%d" % body.length)] if body.length else list(fields)
    keys = [name.lower() for name, _ in fields]
    table = {key: value for key, (_, value) in zip(keys, fields, strict=True)}
    head = RequestHead("1.1", fields, keys, table, True, False, method, target, False)
    path, mark, query = target.partition(b"?")
    return UpstreamRequest(head, path, query if mark else None, body, carrier)
