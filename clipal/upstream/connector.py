"""Makes connections to one provider, directly or through a forward proxy, and says in our words why one fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError, DNSLookupError, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from clipal.config.reach import ForwardProxy, Trust
from clipal.transport.endpoints import TunnelEndpoint, direct_endpoint, is_name
from clipal.transport.proxy_dialogue import HostUnreached, Progress, ProxyFailed
from clipal.transport.resolver import Reactor as ResolverReactor
from clipal.transport.resolver import SharedResolver
from clipal.transport.tls import HandshakeFailed
from clipal.transport.trust import tls_host
from clipal.upstream.connection import Connection
from clipal.upstream.errors import (
    ConnectFailed,
    ConnectRefused,
    ConnectTimeout,
    ForwardProxyFailed,
    NameNotFound,
    TLSFailed,
    UpstreamError,
)
from clipal.upstream.target import Target

_MEANINGS: Final[tuple[tuple[type[Exception], Callable[[Exception], UpstreamError]], ...]] = (
    (DNSLookupError, lambda _: NameNotFound("host name not found")),
    (ConnectionRefusedError, lambda _: ConnectRefused("connection refused")),
    (TimeoutError, lambda _: ConnectTimeout("connection timed out")),
    (HandshakeFailed, lambda failed: TLSFailed(str(failed))),
    (ProxyFailed, lambda failed: ForwardProxyFailed(f"forward proxy: {failed}")),
    (HostUnreached, lambda failed: ConnectFailed(str(failed))),
    (Exception, lambda _: ConnectFailed("connection failed")),
)
"""The error for each exception of the transport: the first row whose class fits."""


class Connector:
    """Makes connections to one provider.

    Parameters:
        resolver: looks names up; by default a new one.
        trust: the certificates for TLS; by default the system's.
        proxy: the forward proxy for all connections; None for none.

    Attributes:
        timeout: seconds for a connection, its TLS handshake included; 0 for no limit.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        target: Target,
        timeout: float,
        *,
        resolver: SharedResolver | None = None,
        trust: Trust | None = None,
        proxy: ForwardProxy | None = None,
    ) -> None:
        self.timeout = timeout
        self._reactor = reactor
        self._host = target.host
        self._resolver = resolver or SharedResolver(cast("ResolverReactor", reactor))
        self._proxied = proxy is not None
        self._named = proxy is None and is_name(target.host)
        tls = tls_host(target.host, trust) if target.tls else None
        self._endpoint = (
            direct_endpoint(reactor, target.host, target.port, tls, self._resolver)
            if proxy is None
            else TunnelEndpoint(reactor, proxy, target.host, target.port, tls, self._resolver)
        )

    def connect(self, make: Callable[[], Connection]) -> Deferred[Connection]:
        """Makes one connection.

        Parameters:
            make: makes the protocol of the connection.

        Returns:
            a Deferred that fails with an UpstreamError, or with a CancelledError when it is cancelled.
        """
        progress = Progress()
        connecting = _with_cancelled_error(Deferred.fromCoroutine(self._establish(make, progress)))
        if self.timeout:
            connecting.addTimeout(self.timeout, self._reactor, lambda *_: self._timed_out(progress))
        return connecting

    def _timed_out(self, progress: Progress) -> None:
        if self._proxied and not progress.asked:
            raise ForwardProxyFailed("forward proxy: no answer in time")
        raise ConnectTimeout("connection timed out")

    async def _establish(self, make: Callable[[], Connection], progress: Progress) -> Connection:
        factory = Factory.forProtocol(make)
        factory.noisy = False
        try:
            if self._named:  # first, because the endpoint would wait for the name even when it is cancelled
                await self._resolver.addresses(self._host)
            if isinstance(self._endpoint, TunnelEndpoint):
                connection = await self._endpoint.connect(factory, progress)
            else:
                connection = await self._endpoint.connect(factory)
        except (UpstreamError, CancelledError):
            raise
        except Exception as failed:
            raise next(meaning(failed) for kind, meaning in _MEANINGS if isinstance(failed, kind)) from None
        assert isinstance(connection, Connection)
        return connection


def _with_cancelled_error(connecting: Deferred[Connection]) -> Deferred[Connection]:
    """A Deferred with the result of `connecting`, which fails with a CancelledError when it is cancelled.

    Twisted's endpoints fail with other errors then: HostnameEndpoint's says that the provider has no address. A
    connection that comes in spite of the cancellation is aborted.
    """

    def give_up(given_up: Deferred[Connection]) -> None:
        given_up.errback(CancelledError())
        connecting.cancel()

    def ended(result: Connection | Failure) -> None:
        if not connected.called:
            connected.callback(result)
        elif isinstance(result, Connection):
            result.abortConnection()

    connected: Deferred[Connection] = Deferred(give_up)
    connecting.addBoth(ended)
    return connected
