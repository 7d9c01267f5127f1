"""What `clipal.failover` calls: one provider, ready to be asked.

`TransparentClient` is treq's HTTPClient without the conveniences that a proxy must not have: no cookies, no redirects,
no decoding, no Accept-Encoding, no parsing of URLs. `ProviderAgent` is one provider, with all that can be prepared
once: target, connections, keys in each carrier.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface import implementer

from clipal.config.model import Carrier, ProviderConfig
from clipal.config.secret import Secret
from clipal.config.settings import Settings
from clipal.dialects.dialect import Dialect
from clipal.process.descriptors import Descriptors
from clipal.transport.resolver import SharedResolver
from clipal.upstream.agent import Agent, RawFields
from clipal.upstream.body import BytesBody
from clipal.upstream.credentials import KeyCarriers
from clipal.upstream.model_names import ModelNames, with_model_at_once
from clipal.upstream.request import UpstreamRequest, ordinary_request
from clipal.upstream.response import Response
from clipal.upstream.target import Target
from clipal.wire.fields import request_fields
from clipal.wire.websocket import UPGRADE_FIELDS

_PATHS: Final = 64
"""How many paths of requests are remembered, with the URL that each goes to."""


class TransparentClient(HTTPClient):
    """treq's client, straight to its agent: `request`, `get`, `post` and the like.

    The result is the agent's own response, with its body unread. It is not wrapped in treq's response, which adds
    cookies, decoding and buffering. treq's `content`, `collect` and `json_content` accept it.
    """

    def __init__(self, agent: IAgent) -> None:
        super().__init__(agent)
        self._send = agent.request

    def request(  # type: ignore[override]  # it answers with the agent's own response
        self,
        method: str | bytes,
        url: str | bytes,
        *,
        headers: Any = None,
        data: IBodyProducer | bytes | None = None,
        allow_redirects: bool = False,
        unbuffered: bool = True,
        _stacklevel: int = 2,
        **others: Any,
    ) -> Deferred[Response]:
        """Sends `data` to the absolute `url`.

        Parameters:
            headers: a list of raw fields, which go out as they are; or what treq takes.

        Raises:
            TypeError: an option of treq's client that this client does not have.
        """
        if others or allow_redirects or not unbuffered:
            raise TypeError(f"not for a transparent client: {', '.join(others) or 'redirects and buffers'}")
        if headers.__class__ is list and (data is None or data.__class__ is BytesBody) and method.__class__ is bytes:
            return self._send(method, url, headers, data)  # type: ignore[arg-type, return-value]  # the proxy's own way
        if isinstance(method, str):
            method = method.encode("ascii").upper()
        if isinstance(url, str):
            url = url.encode("ascii")
        if isinstance(headers, dict):
            headers = Headers(
                {name: [value] if isinstance(value, str | bytes) else value for name, value in headers.items()}
            )
        if isinstance(data, bytes):
            data = BytesBody(data)
        elif data is not None and not IBodyProducer.providedBy(data):
            raise TypeError(f"no body: {type(data).__name__}")
        return self._send(method, url, headers, data)  # type: ignore[return-value]


@implementer(IAgent)
class ProviderAgent:
    """One provider of one client: its model names and its credentials, above an agent for each of its keys.

    Each key has its own connections. A provider's surplus bytes behind one answer might be taken for the next answer on
    the connection, so both must belong to the same key.

    Parameters:
        agent: sends the requests; by default an `Agent` for each key.
        resolver: looks the provider's host name up.
        descriptors: shared with all other connections.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        provider: ProviderConfig,
        dialect: Dialect,
        settings: Settings,
        agent: IAgent | None = None,
        resolver: SharedResolver | None = None,
        descriptors: Descriptors | None = None,
    ) -> None:
        self.provider = provider
        self.name = provider.name
        self._dialect = dialect
        self._target = target = Target.from_base_url(provider.base_url)
        # A client's requests go to a few paths. A query is not remembered, because a key may be in it.
        self._url = lru_cache(maxsize=_PATHS)(lambda path: target.url(dialect.upstream_path(path, target.path)))
        self._models = ModelNames(provider.models) if provider.models else None
        self._keys = [KeyCarriers.prepare(key, provider.auth) for key in provider.api_keys or (Secret(b""),)]
        timeout = settings.connect_timeout
        self._agents = [
            Agent(
                reactor,
                target,
                connect_timeout=timeout,
                resolver=resolver,
                descriptors=descriptors,
                trust=provider.trust,
                proxy=provider.proxy,
            )
            for _ in self._keys
        ]
        self._clients = [TransparentClient(agent or each) for each in self._agents]

    def ask(self, request: UpstreamRequest, key: int = 0) -> Deferred[Response]:
        """Sends `request` with the provider's key number `key`.

        Returns:
            a Deferred that fires with the answer when its head has come; it fails with an UpstreamError. Cancelling it
            aborts the connection.
        """
        if request.model is not None and self._models is not None:
            request = self._models.apply(request, request.model, self._dialect)
        keys = self._keys[key]
        carrier = keys.carrier(request.carrier)
        query = request.query
        if carrier is Carrier.QUERY or (query and self._dialect.key_in_query):
            query = keys.query(carrier, query)
        body = request.body
        fields = request_fields(request.head, self._target.host_field, keys.credential(carrier), body.length)
        if request.opens_websocket:
            fields += UPGRADE_FIELDS
        url = self._url(request.path)
        if self._target.query:
            query = self._target.all_of_query(query)
        if query is not None:
            url = b"%b?%b" % (url, query)
        return self._clients[key].request(request.head.method, url, headers=fields, data=body if body.length else None)

    async def reach(self) -> None:
        """Makes a connection to the provider and closes it. Sends no request, so that it costs nothing.

        Raises:
            UpstreamError: no connection could be made.
        """
        await self._agents[0].reach()

    def request(  # type: ignore[override]  # a Deferred is invariant: IAgent promises no more than an IResponse
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | RawFields | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[Response]:
        """Sends an ordinary request, as `ask` sends a client's: with the first key, and the provider's model names.

        Parameters:
            uri: absolute, and at the provider's origin; its path is what a client asks for behind its prefix.

        Raises:
            ValueError: the origin is another one.
            TypeError: a body that is no `BytesBody`.
        """
        origin = self._target.origin
        if not uri.startswith(origin + b"/"):
            raise ValueError("not at this provider's origin")
        if bodyProducer is not None and not isinstance(bodyProducer, BytesBody):
            raise TypeError(f"no body that can be sent again: {type(bodyProducer).__name__}")
        if isinstance(headers, Headers):
            headers = [(name, value) for name, values in headers.getAllRawHeaders() for value in values]
        body = bodyProducer or BytesBody()
        request = ordinary_request(method, uri[len(origin) :], headers or (), body, self._dialect.carrier)
        return self.ask(request if self._models is None else with_model_at_once(request, self._dialect))

    def set_connect_timeout(self, seconds: float) -> None:
        """Sets the limit for connections that are made from now on."""
        for agent in self._agents:
            agent.connector.timeout = seconds

    def close_idle(self) -> None:
        """Closes the connections that have been unused for too long."""
        for agent in self._agents:
            agent.close_idle()

    @property
    def idle_since(self) -> float | None:
        """When the longest unused connection became unused, on the reactor's clock; None if none is unused."""
        return min((agent.idle_since for agent in self._agents if agent.idle_since is not None), default=None)

    def close_longest_idle(self) -> bool:
        """Closes the connection that has been unused for longest; False if none is unused."""
        longest = self.idle_since
        return any(agent.close_longest_idle() for agent in self._agents if agent.idle_since == longest)

    def close(self) -> None:
        """Closes the unused connections. Those in use are closed when their requests end."""
        for agent in self._agents:
            agent.close()
