"""A forward proxy of a test's own: CONNECT or SOCKS5, with a password or without, over TCP or TLS.

    proxy = ForwardProxyServer.start("socks5", user=b"u", password=b"p")

It connects to 127.0.0.1, whatever name it is told, and records that name. With `says`, it answers the last message of
its part with those bytes and does nothing more.
"""

from __future__ import annotations

from base64 import b64encode

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.internet.ssl import ContextFactory
from twisted.python.failure import Failure

from clipal.config.reach import ForwardProxy
from clipal.config.secret import Secret
from tests.wirekit.connection import RawConnection
from tests.wirekit.waiting import reactor


class _Beyond(RawConnection):
    """The proxy's connection to the host."""

    def __init__(self, back: ForwardProxyConnection) -> None:
        super().__init__()
        self._back = back

    def dataReceived(self, data: bytes) -> None:
        self._back.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self._back.transport.loseConnection()


class ForwardProxyConnection(RawConnection):
    """One client's connection."""

    def __init__(self, server: ForwardProxyServer) -> None:
        super().__init__()
        self._server = server
        self._beyond: _Beyond | None = None
        self._greeted = self._known = self._asked = False

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if self._beyond is not None:
            self._beyond.transport.write(data)
        elif not self._asked:
            (self._http if self._server.kind == "http" else self._socks)(bytes(self.received))

    def _http(self, came: bytes) -> None:
        if not came.endswith(b"\r\n\r\n"):
            return
        server, self._asked = self._server, True
        server.heads.append(came)
        wanted = b"Proxy-Authorization: Basic " + b64encode(server.user + b":" + server.password)
        if server.user and wanted not in came:
            self.transport.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        host, _, port = came.split(b" ")[1].rpartition(b":")
        self._open(host, int(port), b"HTTP/1.1 200 Connection established\r\n\r\n", b"HTTP/1.1 503 No\r\n\r\n")

    def _socks(self, came: bytes) -> None:
        server, method = self._server, 2 if self._server.user else 0
        if not self._greeted:
            if len(came) < 2 or len(came) < 2 + came[1]:
                return
            self._greeted = True
            offered = method in came[2 : 2 + came[1]]
            self.received.clear()
            self.transport.write(bytes([5, method if offered else 255]))
            self._known = not method
        elif not self._known:
            told = bytes([1, len(server.user)]) + server.user + bytes([len(server.password)]) + server.password
            if len(came) < 3 or len(came) < 3 + came[1] + came[2 + came[1]]:
                return
            self._known = came == told
            self.received.clear()
            self.transport.write(b"\x01\x00" if self._known else b"\x01\x01")
        elif len(came) > 5:
            self._asked = True
            name = came[3] == 3
            host = came[5 : 5 + came[4]] if name else ".".join(map(str, came[4:8])).encode()
            reply = b"\x05%b\x00\x01\x7f\x00\x00\x01\x00\x00"
            self._open(host, int.from_bytes(came[-2:], "big"), reply % b"\x00", reply % b"\x05")

    def _open(self, host: bytes, port: int, opened: bytes, refused: bytes) -> None:
        server = self._server
        server.hosts.append((host, port))
        if server.says is not None:
            self.transport.write(server.says)
            return

        def connected(beyond: _Beyond) -> None:
            self._beyond = beyond
            server.beyond.append(beyond)
            self.transport.write(opened)

        def failed(_: Failure) -> None:
            self.transport.write(refused)

        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        done: Deferred[_Beyond] = connectProtocol(endpoint, _Beyond(self))
        done.addCallbacks(connected, failed)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        if self._beyond is not None:
            self._beyond.transport.loseConnection()


class ForwardProxyServer(ServerFactory):
    """The proxy, on a free port of 127.0.0.1.

    Attributes:
        heads: what each CONNECT said.
        hosts: the name and port that each connection asked for.
        says: what it answers in place of connecting.
    """

    noisy = False
    _listening: IListeningPort

    def __init__(self, kind: str, user: bytes, password: bytes, says: bytes | None) -> None:
        self.kind, self.user, self.password, self.says = kind, user, password, says
        self.heads: list[bytes] = []
        self.hosts: list[tuple[bytes, int]] = []
        self.connections: list[ForwardProxyConnection] = []
        self.beyond: list[_Beyond] = []

    @classmethod
    def start(
        cls,
        kind: str = "http",
        *,
        user: bytes = b"",
        password: bytes = b"",
        says: bytes | None = None,
        tls: ContextFactory | None = None,
    ) -> ForwardProxyServer:
        """Listens; `kind` is http or socks5."""
        server = cls(kind, user, password, says)
        if tls is None:
            server._listening = reactor.listenTCP(0, server, interface="127.0.0.1")
        else:
            server._listening = reactor.listenSSL(0, server, tls, interface="127.0.0.1")
        return server

    def buildProtocol(self, addr: IAddress | None) -> ForwardProxyConnection:
        self.connections.append(ForwardProxyConnection(self))
        return self.connections[-1]

    @property
    def port(self) -> int:
        """The TCP port."""
        address = self._listening.getHost()
        assert isinstance(address, IPv4Address)
        return address.port

    def reached_by(self, scheme: str, user: bytes = b"", password: bytes = b"") -> ForwardProxy:
        """What a provider's configuration says of it."""
        return ForwardProxy(scheme, "127.0.0.1", self.port, Secret(user), Secret(password))

    async def close(self) -> None:
        """Stops listening and ends all connections."""
        await maybeDeferred(self._listening.stopListening)
        still_open = [each for each in (*self.connections, *self.beyond) if each.ended is None]
        for connection in still_open:
            connection.abort()
        await gatherResults([connection.closed() for connection in still_open])
