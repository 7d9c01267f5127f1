"""What `clipal.failover` calls: one provider, ready to be asked.

`TransparentClient` is treq's HTTPClient without what treq does for people and a proxy must not do: no cookies, no
redirects, no decoding, no Accept-Encoding, no parsing of URLs. `Upstream` holds one for a provider, with all that can
be prepared once: target, connections, keys in each carrier.
"""

from __future__ import annotations

from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IAgent, IBodyProducer

from clipal.config.model import Carrier, ProviderConfig, Settings
from clipal.dialects.dialect import Dialect
from clipal.transport.resolver import SharedResolver
from clipal.upstream.agent import Agent, RawFields
from clipal.upstream.credentials import KeyCarriers
from clipal.upstream.model_names import ModelNames
from clipal.upstream.request import Call
from clipal.upstream.response import Response
from clipal.upstream.target import Target
from clipal.wire.fields import request_fields
from clipal.wire.websocket import UPGRADE_FIELDS


class TransparentClient(HTTPClient):
    """treq's client, straight to its agent. What comes is the agent's response, whose body has not been read.

    It is not wrapped in treq's: that adds cookies, decoding and buffering, which nobody asks it for here.
    """

    def request(  # type: ignore[override]  # narrower: bytes and raw fields only, and none of treq's conveniences
        self, method: bytes, url: bytes, *, headers: RawFields, data: IBodyProducer | None
    ) -> Deferred[Response]:
        """Sends `data` to the absolute `url` with just these fields."""
        return self._agent.request(method, url, headers, data)  # type: ignore[arg-type, return-value]


class Upstream:
    """One provider of one client.

    Parameters:
        agent: what sends; by default an `Agent` with connections of its own.
        resolver: looks the provider's name up.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        provider: ProviderConfig,
        dialect: Dialect,
        settings: Settings,
        agent: IAgent | None = None,
        resolver: SharedResolver | None = None,
    ) -> None:
        self.provider = provider
        self.name = provider.name
        self._dialect = dialect
        self._target = Target.from_base_url(provider.base_url)
        self._connections = Agent(reactor, self._target, connect_timeout=settings.connect_timeout, resolver=resolver)
        self._client = TransparentClient(agent or self._connections)
        self._models = ModelNames(provider.models) if provider.models else None
        self._keys = [KeyCarriers.prepare(key, provider.auth) for key in provider.api_keys or ("",)]

    def ask(self, call: Call, key: int = 0) -> Deferred[Response]:
        """Sends `call` with the provider's key number `key`.

        Returns:
            a Deferred that fires with the answer at its head, and fails with an UpstreamError; cancelling it closes the
            connection.
        """
        if call.model is not None and self._models is not None:
            call = self._models.apply(call, call.model, self._dialect)
        keys = self._keys[key]
        carrier = keys.carrier(call.carrier)
        path = self._dialect.upstream_path(call.path, self._target.path)
        query = call.query
        if carrier is Carrier.QUERY or (query and self._dialect.key_in_query):
            query = keys.query(carrier, query)
        body = call.body
        fields = request_fields(call.head, self._target.host_field, keys.credential(carrier), body.length)
        url = self._target.origin + self._target.request_target(path, query)
        if call.opens_websocket:
            return self._connections.upgrade(url, fields + UPGRADE_FIELDS)
        return self._client.request(call.method, url, headers=fields, data=body if body.length else None)

    def set_connect_timeout(self, seconds: float) -> None:
        """For the connections that are made from now on."""
        self._connections.connect_timeout = seconds

    def close_idle(self) -> None:
        """Closes connections that have been unused for long."""
        self._connections.close_idle()

    @property
    def idle_since(self) -> float | None:
        """Since when its longest unused connection has been so, on the reactor's clock; None where there is none."""
        return self._connections.idle_since

    def close_longest_idle(self) -> bool:
        """Closes the connection that has been unused for longest; False where there is none to close."""
        return self._connections.close_longest_idle()

    def close(self) -> None:
        """Keeps no connection any more; those in use end with their requests."""
        self._connections.close()
