"""The server's side of TLS with its records in a test's hands: to be held back, cut, damaged or left out.

The bytes that the client sent are in `received`, decrypted. What is encrypted goes out as soon as it is made, unless
`holding`: then it waits in `held`.
"""

from __future__ import annotations

import ssl
from contextlib import suppress

from twisted.internet.address import IPv4Address
from twisted.internet.defer import DeferredQueue, maybeDeferred
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import ServerFactory

from tests.wirekit.connection import RawConnection
from tests.wirekit.waiting import reactor


class TLSServerConnection(RawConnection):
    """One connection.

    Attributes:
        tls: the server's side; its handshake begins with the client's first bytes.
        alert: what OpenSSL said of the alert or the record that ended the connection, if one did.
        said_goodbye: whether the client sent a close_notify.
    """

    def __init__(self, context: ssl.SSLContext, accepted: DeferredQueue[TLSServerConnection]) -> None:
        super().__init__()
        self._accepted = accepted
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.ready = False
        self.holding = False
        self.held = b""
        self.alert = ""
        self.said_goodbye = False

    def connectionMade(self) -> None:
        super().connectionMade()
        self._accepted.put(self)

    def dataReceived(self, data: bytes) -> None:
        self._incoming.write(data)
        try:
            if not self.ready:
                self.tls.do_handshake()
                self.ready = True
                self.shaken()
            while piece := self.tls.read(65536):
                super().dataReceived(piece)
            self.said_goodbye = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # as the empty piece, when we had said it before
            self.said_goodbye = True
        except ssl.SSLError as error:
            self.alert = str(error)
        self._pass_on()
        self._conditions.changed()

    def shaken(self) -> None:
        """The handshake is done, and its last bytes have not gone out yet."""

    def send(self, data: bytes) -> None:
        """Encrypts and sends."""
        sent = 0
        while sent < len(data):
            sent += self.tls.write(data[sent:])
        self._pass_on()

    def encrypt(self, data: bytes) -> bytes:
        """One record, which is not sent."""
        self.tls.write(data)
        return self._outgoing.read()

    def send_raw(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.transport.write(data)

    def say_goodbye(self) -> None:
        """Sends a close_notify and leaves the connection open."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self._pass_on()

    def _pass_on(self) -> None:
        self.held += self._outgoing.read()
        if self.held and not self.holding and self.transport.connected:
            self.send_raw(self.held)
            self.held = b""


class TLSServer(ServerFactory):
    """Listens on a free port of 127.0.0.1.

    Attributes:
        context: its side of TLS.
        accepted: its connections, one after another.
        names: what the clients named in their hello (SNI), None where they named nothing.
    """

    noisy = False
    _listening: IListeningPort

    def __init__(self, context: ssl.SSLContext, kind: type[TLSServerConnection] = TLSServerConnection) -> None:
        self.context = context
        self._kind = kind
        self.accepted: DeferredQueue[TLSServerConnection] = DeferredQueue()
        self.connections: list[TLSServerConnection] = []
        self.names: list[str | None] = []
        context.sni_callback = lambda tls, name, context: self.names.append(name)
        self._listening = reactor.listenTCP(0, self, interface="127.0.0.1")

    @property
    def port(self) -> int:
        """The TCP port."""
        address = self._listening.getHost()
        assert isinstance(address, IPv4Address)
        return address.port

    def buildProtocol(self, addr: IAddress | None) -> TLSServerConnection:
        connection = self._kind(self.context, self.accepted)
        self.connections.append(connection)
        return connection

    async def close(self) -> None:
        """Ends all."""
        await maybeDeferred(self._listening.stopListening)
        for connection in self.connections:
            if connection.ended is None:
                connection.abort()
                await connection.closed()
