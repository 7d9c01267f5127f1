"""How a host is connected to: by its name or address, over TCP or TLS, directly or through a forward proxy."""

from __future__ import annotations

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectionRefusedError, DNSLookupError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from zope.interface import implementer

from clipal.config.reach import ForwardProxy
from clipal.transport.dialer import Dialer
from clipal.transport.proxy_dialogue import HostUnreached, Progress, ProxyFailed
from clipal.transport.resolver import SharedResolver
from clipal.transport.tls import HandshakeFailed, TLSDialer, TLSHost
from clipal.transport.trust import tls_host
from clipal.transport.tunnel import ProxyTunnel, TunnelDialer


def is_name(host: str) -> bool:
    """Whether `host` is looked up; an address is not."""
    return not (isIPAddress(host) or isIPv6Address(host))


def direct_endpoint(
    reactor: object, host: str, port: int, tls: TLSHost | None, resolver: SharedResolver
) -> IStreamClientEndpoint:
    """Connects to `host` itself, over TLS if `tls` is given."""
    return _endpoint(Dialer(reactor, resolver) if tls is None else TLSDialer(reactor, tls, resolver), host, port)


def _endpoint(dialer: Dialer, host: str, port: int) -> IStreamClientEndpoint:
    endpoint: IStreamClientEndpoint
    if isIPAddress(host):
        endpoint = TCP4ClientEndpoint(dialer, host, port)
    elif isIPv6Address(host):
        endpoint = TCP6ClientEndpoint(dialer, host, port)
    else:
        endpoint = HostnameEndpoint(dialer, host, port)
    return endpoint


@implementer(IStreamClientEndpoint)
class TunnelEndpoint:
    """Connects to a host through a forward proxy.

    It fails with a ProxyFailed if the proxy is to blame, with a HostUnreached if the proxy says that it cannot reach
    the host, else as a direct connection does.

    Parameters:
        tls: for TLS inside the tunnel; None for none.
    """

    def __init__(
        self,
        reactor: object,
        proxy: ForwardProxy,
        host: str,
        port: int,
        tls: TLSHost | None,
        resolver: SharedResolver,
    ) -> None:
        self._reactor = reactor
        self._proxy = proxy
        self._proxy_tls = tls_host(proxy.host) if proxy.scheme == "https" else None
        self._host = host
        self._port = port
        self._tls = tls
        self._resolver = resolver
        self._resolves_here = proxy.scheme == "socks5" and is_name(host)

    def connect(self, factory: IProtocolFactory, progress: Progress | None = None) -> Deferred[IProtocol]:
        """See IStreamClientEndpoint.

        Parameters:
            progress: is told when the proxy has been asked for the host.
        """
        return Deferred.fromCoroutine(self._connect(factory, progress or Progress()))

    async def _connect(self, factory: IProtocolFactory, progress: Progress) -> IProtocol:
        host = self._host
        if self._resolves_here:
            progress.asked = True  # a delay from here on is not the proxy's fault
            host = (await self._resolver.addresses(host))[0][0]
            progress.asked = False
        proxy = self._proxy
        tunnel = ProxyTunnel(proxy, self._proxy_tls, host, self._port, progress)
        dialer = TunnelDialer(self._reactor, tunnel, self._tls, self._resolver)
        try:
            if is_name(proxy.host):
                await self._resolver.addresses(proxy.host)
            connected: IProtocol = await _endpoint(dialer, proxy.host, proxy.port).connect(factory)
        except (ProxyFailed, HostUnreached, CancelledError):
            raise
        except HandshakeFailed as failed:
            if failed.spoken:
                raise
            raise ProxyFailed("what it passes on is no TLS") from None
        except DNSLookupError:
            raise ProxyFailed("its host name was not found") from None
        except ConnectionRefusedError:
            raise ProxyFailed("connection refused") from None
        except Exception:
            raise ProxyFailed("connection failed") from None
        return connected
