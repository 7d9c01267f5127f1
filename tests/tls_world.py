"""TLS servers with certificates of an authority of their own, and connections to them through our own transport."""

from __future__ import annotations

import ssl
from typing import cast

import trustme
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol

from clipal.transport.tls import TLSClient, TLSDialer, TLSHost
from tests.wirekit.connection import RawConnection
from tests.wirekit.tls_server import TLSServer, TLSServerConnection
from tests.wirekit.waiting import reactor


class Ours(RawConnection):
    """The client's end; `pieces` is what each `dataReceived` brought."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        self.pieces.append(data)
        super().dataReceived(data)

    @property
    def below(self) -> TLSClient:
        assert isinstance(self.transport, TLSClient)
        return self.transport


class TLSWorld:
    """Servers with one authority's certificates, and connections to them."""

    def __init__(self) -> None:
        self.authority = trustme.CA()
        self._opened: list[TLSServer | Ours] = []

    def serve(
        self,
        certificate: trustme.LeafCert | None = None,
        kind: type[TLSServerConnection] = TLSServerConnection,
        **options: object,
    ) -> TLSServer:
        """A server; by default with a certificate for localhost. Options are attributes of its context."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (certificate or self.authority.issue_cert("localhost")).configure_cert(context)
        for name, value in options.items():
            setattr(context, name, value)
        server = TLSServer(context, kind)
        self._opened.append(server)
        return server

    def host(self, name: str = "localhost") -> TLSHost:
        """Whom to reach, with no other trust than in our authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.authority.configure_trust(context)
        return TLSHost(context, name)

    def connecting(self, server: TLSServer, to: TLSHost, ours: Ours | None = None) -> Deferred[Ours]:
        """Fires when the handshake is done on our side."""
        endpoint = TCP4ClientEndpoint(TLSDialer(reactor, to), "127.0.0.1", server.port)
        return cast("Deferred[Ours]", connectProtocol(endpoint, ours or Ours()))

    async def pair(
        self, server: TLSServer, to: TLSHost | None = None, ours: Ours | None = None
    ) -> tuple[Ours, TLSServerConnection]:
        """Both ends of a connection whose handshake is done."""
        connected = await self.connecting(server, to or self.host(), ours)
        self._opened.append(connected)
        accepted = await server.accepted.get()
        await accepted.wait_for(lambda _: accepted.ready)
        return connected, accepted

    async def close(self) -> None:
        """Ends all."""
        for each in self._opened:
            if isinstance(each, TLSServer):
                await each.close()
            elif each.ended is None:
                each.abort()
                await each.closed()
