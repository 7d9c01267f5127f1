"""The Resource tree: one child for each client's prefix, and `/health`. Every other path is a 404."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import cast

from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from clipal.dialects.dialect import Dialect, compact_json
from clipal.downstream.admission import Refusal
from clipal.downstream.page import PageRequest
from clipal.downstream.relay_exchange import RelayExchange
from clipal.downstream.request import Relaying, Request
from clipal.downstream.tunnel_exchange import TunnelExchange
from clipal.failover.failover import Failover
from clipal.wire.websocket import opens_websocket


class RootResource(Resource):
    """The root of all paths.

    Parameters:
        failovers: the attempt loop of each client, by its prefix. It is looked up for each request, so that a reload
            takes effect for the next request, and a request under way keeps its attempt loop.
    """

    def __init__(self, dialects: Sequence[Dialect], failovers: Mapping[str, Failover]) -> None:
        super().__init__()
        for dialect in dialects:
            self.putChild(dialect.prefix.encode("ascii"), ClientResource(dialect, failovers))
        self.putChild(b"health", HealthResource())
        self._unknown = UnknownResource([f"/{dialect.prefix}" for dialect in dialects])

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        return self._unknown


class ClientResource(Relaying):
    """All paths below one client's prefix."""

    isLeaf = True

    def __init__(self, dialect: Dialect, failovers: Mapping[str, Failover]) -> None:
        super().__init__()
        self._dialect = dialect
        self._failovers = failovers

    def relay(self, request: Request) -> None:
        access = request.channel.site.access
        stream = access.begin(request.token)
        if isinstance(stream, Refusal):
            request.refuse(stream)
            return
        request.stream = stream
        tokens = access.rules.tokens
        if tokens is not None and request.query and not self._dialect.key_in_query:
            request.query = tokens.without_tokens(request.query)
        kind = TunnelExchange if request.head.upgrade and opens_websocket(request.head) else RelayExchange
        kind(request, self._dialect, self._failovers[self._dialect.prefix]).begin()


class HealthResource(Resource):
    """Whether clipal serves: 503 in a drain, so that a pool sends its requests elsewhere."""

    isLeaf = True

    def render_GET(self, request: IRequest) -> bytes:
        request.setHeader(b"Content-Type", b"application/json")
        if cast("PageRequest", request).asked.channel.site.draining:
            request.setResponseCode(HTTPStatus.SERVICE_UNAVAILABLE)
            return compact_json({"status": "draining"})
        return compact_json({"status": "healthy"})


class UnknownResource(Resource):
    """Every path that is not served."""

    isLeaf = True

    def __init__(self, prefixes: Sequence[str]) -> None:
        super().__init__()
        message = f"Nothing is served at this path. The clients' prefixes are {', '.join(prefixes)}."
        self._refusal = Refusal(HTTPStatus.NOT_FOUND, message, "not found")

    def render(self, request: IRequest) -> int:
        cast("PageRequest", request).refuse(self._refusal)
        return NOT_DONE_YET
