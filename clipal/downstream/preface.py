"""What happens on a connection before HTTP: the header of the PROXY protocol, and the TLS handshake."""

from __future__ import annotations

from math import inf
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from clipal.downstream.addresses import unmapped
from clipal.downstream.site import Site
from clipal.transport.deadline import Deadline
from clipal.transport.tls_server import ServerTLS, TLSServer
from clipal.wire.proxy_protocol import BadHeader, SocketAddress, read_header

_DEADLINE: Final = 10.0
"""Seconds for the header and the handshake together."""


class PrefaceFactory(Factory):
    """Makes a preface for each connection; `site` serves the connection after it.

    Parameters:
        proxied: whether a header of the PROXY protocol comes first.
        tls: the certificate and settings of TLS; None for a listener without TLS.
    """

    noisy = False

    def __init__(self, site: Site, tls: ServerTLS | None, *, proxied: bool) -> None:
        self.site = site
        self.tls = tls
        self.proxied = proxied

    def buildProtocol(self, addr: IAddress | None) -> Preface:
        """The preface of one connection."""
        return Preface(self)


class Preface(Protocol):
    """One connection, until HTTP begins on it. It counts as a client's connection, and does not give way.

    Attributes:
        idle: False, because a request may be on its way.
        busy: False, because no request has come.
    """

    transport: Any
    idle = busy = False
    idle_since = inf

    def __init__(self, factory: PrefaceFactory) -> None:
        self._site = factory.site
        self._tls = factory.tls
        self._proxied = factory.proxied
        self._received = b""
        self._deadline = Deadline(self._site.reactor, self._expired)

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        peer = unmapped(self.transport.getPeer())
        if not self._site.preface_made(self, None if self._proxied else getattr(peer, "host", None)):
            self.transport.abortConnection()  # a 503 could be sent only behind the handshake
            return
        self._deadline.set(_DEADLINE)
        if not self._proxied:
            self._secure(b"")

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        try:
            header = read_header(self._received)
        except BadHeader:
            self.transport.abortConnection()
            return
        if header is None:
            return
        self.transport.proxied = True
        if header.client is not None and header.server is not None:
            self.transport.came_from = _address(header.client)
            self.transport.came_to = _address(header.server)
        self._received = b""
        if self._tls is None:
            self._serve(header.rest)
        else:
            self._secure(header.rest)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 (never changed)
        self._deadline.close()
        self._site.preface_lost(self)

    def gives_way(self, before: float) -> bool:
        """False, because it is not idle."""
        return False

    def drain(self) -> None:
        """Does nothing: the deadline of the preface bounds it."""

    def _expired(self) -> None:
        self.transport.abortConnection()

    def _secure(self, early: bytes) -> None:
        assert isinstance(self.transport, TLSServer)
        assert self._tls is not None
        self.transport.secure(self._tls.context, early, self._serve)

    def _serve(self, early: bytes = b"") -> None:
        """Hands the connection on to a channel."""
        transport = self.transport
        self._site.capacity.discard(self)  # from here on, the connection counts with its client's address
        protocol = transport.protocol = self._site.buildProtocol(None)
        protocol.makeConnection(transport)
        self.connectionLost()
        if early:
            protocol.dataReceived(early)


def _address(address: SocketAddress) -> IPv4Address | IPv6Address:
    host, port = address
    return IPv6Address("TCP", host, port) if ":" in host else IPv4Address("TCP", host, port)
