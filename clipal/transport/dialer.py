"""What endpoints connect with: like a reactor for them, but the connections are eager ones (`clipal.transport.tcp`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet import tcp
from twisted.internet.interfaces import (
    IConnector,
    IDelayedCall,
    IHostnameResolver,
    IReactorPluggableNameResolver,
    IReactorTime,
)
from twisted.internet.protocol import ClientFactory
from zope.interface import implementer

from clipal.transport.tcp import EagerClient


class _EagerConnector(tcp.Connector):
    """Makes eager connections."""

    def __init__(self, make_transport: Callable[..., EagerClient], *where: Any) -> None:
        self._make = make_transport
        super().__init__(*where)

    def _makeTransport(self) -> EagerClient:
        return self._make(self.host, self.port, self.bindAddress, self, self.reactor)


@implementer(IReactorTime, IReactorPluggableNameResolver)
class Dialer:
    """What endpoints ask a reactor for: the time, names, and connections, which are eager ones here.

    Parameters:
        reactor: what the connections run on.
        resolver: looks names up; the reactor's own by default.
    """

    make_transport: Callable[..., EagerClient] = EagerClient

    def __init__(self, reactor: Any, resolver: IHostnameResolver | None = None) -> None:
        self._reactor = reactor
        self.nameResolver: IHostnameResolver = resolver or reactor.nameResolver
        self.seconds: Callable[[], float] = reactor.seconds
        self.callLater: Callable[..., IDelayedCall] = reactor.callLater
        self.getDelayedCalls: Callable[[], Sequence[IDelayedCall]] = reactor.getDelayedCalls

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """See IReactorPluggableNameResolver."""
        before, self.nameResolver = self.nameResolver, resolver
        return before

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: ClientFactory,
        timeout: float = 30,
        bindAddress: tuple[str, int] | None = None,
    ) -> IConnector:
        """As IReactorTCP's, but for `timeout`: endpoints give 30 s, and `connect_timeout` may be longer, or none."""
        connector = _EagerConnector(self.make_transport, host, port, factory, None, bindAddress, self._reactor)
        connector.connect()
        result: IConnector = connector
        return result
