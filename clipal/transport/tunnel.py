"""Connections through a forward proxy.

TCP is connected to the proxy. `TunnelOpening` speaks with the proxy (`clipal.transport.proxy_dialogue`), inside TLS
for an `https://` proxy. When the proxy has made the tunnel, the connection behaves as one to the host itself, whose own
TLS begins then.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, cast

from attrs import frozen
from python_socks._protocols.errors import ReplyError
from twisted.internet.interfaces import IHostnameResolver

from clipal.config.reach import ForwardProxy
from clipal.transport.dialer import Dialer
from clipal.transport.proxy_dialogue import (
    AnswerLength,
    HostUnreached,
    Progress,
    ProxyDialogue,
    ProxyFailed,
    dialogue_with,
    socks_failure,
)
from clipal.transport.tcp import EagerClient
from clipal.transport.tls import TLSClient, TLSHost
from clipal.transport.tls_socket import TLSSocket

_LONGEST: Final = 16 * 1024
"""Bytes of a proxy's answer."""


class TunnelOpening:
    """Asks a proxy for a tunnel, on a socket that does not block.

    Parameters:
        connected: a socket whose TCP connection to the proxy has just been made.
        proxy_tls: for a proxy that is spoken to over TLS.
        dialogue: what is said to the proxy.

    Attributes:
        socket: what the tunnel's bytes are read from and written to.
    """

    def __init__(self, connected: socket.socket, proxy_tls: TLSHost | None, dialogue: ProxyDialogue) -> None:
        self._shaking = None if proxy_tls is None else TLSSocket(connected, proxy_tls)
        self.socket: socket.socket | TLSSocket = self._shaking or connected
        self._dialogue = dialogue
        self._wanted: AnswerLength = lambda data: None
        self._came = b""

    def begin(self) -> bool:
        """Sends the first bytes: of the handshake with the proxy, or of the dialogue. Whether the tunnel is open.

        Raises:
            ProxyFailed, HostUnreached, ReplyError, OSError: there will be no tunnel.
        """
        if self._shaking is not None and not self._shaking.shake_hands():
            return False
        self._shaking = None
        return self._advance(None)

    def read(self) -> bool:
        """Takes what has come. Whether the tunnel is open.

        Raises:
            ProxyFailed, HostUnreached, ReplyError, OSError: there will be no tunnel.
        """
        if self._shaking is not None:
            return self.begin()
        try:
            data = self.socket.recv(_LONGEST)
        except BlockingIOError:
            return False
        if not data:
            raise ProxyFailed("it closed the connection")
        self._came += data
        while (length := self._wanted(self._came)) is not None:
            reply, self._came = self._came[:length], self._came[length:]
            if self._advance(reply):
                return True
        if len(self._came) > _LONGEST:
            raise ProxyFailed("its answer does not end")
        return False

    def _advance(self, reply: bytes | None) -> bool:
        """Says what follows `reply`. Whether the tunnel is open."""
        try:
            data, self._wanted = self._dialogue.send(cast("bytes", reply))
        except StopIteration:
            if self._came:  # bytes of the host would answer no request
                raise ProxyFailed("it sent what nobody asked for") from None
            return True
        if data and self.socket.send(data) != len(data):
            raise ProxyFailed("it takes nothing")
        return False


@frozen
class ProxyTunnel:
    """Which tunnel a connection needs.

    Attributes:
        proxy_tls: for a proxy that is spoken to over TLS.
        host: the tunnel's other end, a name in ASCII or an address.
        progress: is told when the proxy has been asked for the host.
    """

    proxy: ForwardProxy
    proxy_tls: TLSHost | None
    host: str
    port: int
    progress: Progress

    def over(self, connected: socket.socket) -> TunnelOpening:
        """Its opening over a new connection to the proxy."""
        return TunnelOpening(connected, self.proxy_tls, dialogue_with(self.proxy, self.host, self.port, self.progress))


class TunnelledClient(EagerClient):
    """A connection to a host through a tunnel. The opening of the tunnel is a part of connecting."""

    _opening: TunnelOpening | None = None

    def __init__(self, tunnel: ProxyTunnel, *where: Any) -> None:
        self._tunnel = tunnel
        super().__init__(*where)

    def _connectDone(self) -> None:
        """Asks for the tunnel, in place of making the protocol: `opened` does that later."""
        self._opening = self._tunnel.over(self.socket)
        self.socket = cast("Any", self._opening.socket)
        self.startReading()
        self._continue(self._opening.begin)

    def doRead(self) -> Any:
        """Reads for the opening as long as there is one."""
        if self._opening is None:
            return super().doRead()
        self._continue(self._opening.read)
        return None

    def _continue(self, step: Callable[[], bool]) -> None:
        try:
            is_open = step()
        except (ProxyFailed, HostUnreached, ReplyError, OSError) as error:
            self.failIfNotConnected(_cause(error))
            return
        if is_open:
            self._opening = None
            self.opened()


class TunnelledTLSClient(TunnelledClient, TLSClient):
    """The same, with TLS inside the tunnel."""


class TunnelDialer(Dialer):
    """A `Dialer` whose connections go through a tunnel.

    Parameters:
        to: for TLS inside the tunnel; None for none.
    """

    def __init__(
        self, reactor: object, tunnel: ProxyTunnel, to: TLSHost | None, resolver: IHostnameResolver | None = None
    ) -> None:
        super().__init__(reactor, resolver)
        self.make_transport = (
            (lambda *where: TunnelledClient(tunnel, *where))
            if to is None
            else (lambda *where: TunnelledTLSClient(tunnel, to, *where))
        )


def _cause(error: Exception) -> Exception:
    """Why there is no tunnel, in our own words: OpenSSL's and the system's quote the other side."""
    if isinstance(error, ReplyError):
        return socks_failure(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return ProxyFailed("its certificate is not trusted")
    if isinstance(error, ssl.SSLError):
        return ProxyFailed("TLS handshake failed")
    return ProxyFailed("connection lost") if isinstance(error, OSError) else error
