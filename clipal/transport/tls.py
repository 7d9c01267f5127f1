"""TLS for the client's side, as one transport: socket, OpenSSL, protocol, and nothing between.

The transport itself holds the standard library's `ssl.SSLObject` with its two memory BIOs: what one read brought is
decrypted and delivered in one call, what is written is encrypted and sent at once. An event costs less than
through Twisted's own TLS, a protocol over pyOpenSSL (docs/adr/0007, docs/performance.md).

The handshake is a part of connecting: the protocol is made when the handshake is done, and a failed handshake is a
failed attempt to connect. So no byte waits for a handshake, and no protocol knows of one. Decrypted bytes are not kept:
pausing the transport stops reading the socket.
"""

from __future__ import annotations

import ssl

from attrs import define, field
from twisted.internet import main
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConnector, IHostnameResolver
from twisted.python.failure import Failure

from clipal.transport.dialer import Dialer
from clipal.transport.tcp import EagerClient, Ended
from clipal.transport.tls_state import TLSState
from clipal.transport.tls_stream import TLSStream

_ANOTHER_HOST = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


class HandshakeFailed(Exception):
    """The TLS handshake failed. Its text is in our own words: what OpenSSL says quotes the other side.

    Attributes:
        spoken: whether any TLS came from the other side.
    """

    def __init__(self, problem: str, *, spoken: bool = True) -> None:
        super().__init__(problem)
        self.spoken = spoken


@define(eq=False)
class TLSHost:
    """The host that connections must reach, and the TLS session to resume with it.

    Attributes:
        context: what to trust and what to offer; it must check host names.
        name: the host's name in ASCII, or its IP address; the certificate must be for it.
        session: that of the last full handshake; the next connections offer to resume it (RFC 8446, 2.2).
    """

    context: ssl.SSLContext
    name: str
    session: ssl.SSLSession | None = field(default=None, repr=False)

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """The client's side of a new connection."""
        return self.context.wrap_bio(incoming, outgoing, server_hostname=self.name, session=self.session)


class TLSClient(TLSStream, EagerClient):
    """The client's side of a connection over TLS.

    Its end is a ConnectionDone only after a close_notify, or if clipal closed it. A FIN alone is a ConnectionLost,
    because anybody on the path can send one (RFC 8446, 6.1).
    """

    _spoken = False
    _problem = "TLS handshake failed"

    def __init__(self, to: TLSHost, host: str, port: int, bind: object, connector: IConnector, reactor: object) -> None:
        self._to = to
        super().__init__(host, port, bind, connector, reactor)

    # The handshake

    def opened(self) -> None:
        """Begins the handshake. Twisted's `_connectDone`, which makes the protocol, is called when it is done."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._open(self._to.wrap(incoming, outgoing), incoming, outgoing)
        self.connected = 1  # `write` checks this; TCP is connected
        self.startReading()
        self._act_on(self._shake_hands())

    def _begin(self) -> Ended:
        """Takes what the first reads brought, and stores the session.

        The session is stored here, because TLS 1.3's tickets come after the handshake (RFC 8446, 4.6.1). Copying a
        session is slow, so a connection that resumed one does not replace it.
        """
        shaking = self._state is TLSState.SHAKING
        why = super()._begin()
        if shaking:
            self._spoken = self._spoken or why is None
        elif not self._tls.session_reused:
            self._to.session = self._tls.session
        return why

    def _shake_hands(self) -> Ended:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send_records()
            return None
        except ssl.SSLError as error:
            self._send_records()  # the alert
            self._problem = _why(error)
            self._spoken = isinstance(error, ssl.SSLCertVerificationError) or "ALERT" in (error.reason or "")
            return main.CONNECTION_LOST
        self._send_records()
        self._become(TLSState.SHAKEN)
        super().opened()
        return self._take_rest()

    def failIfNotConnected(self, err: Exception) -> None:
        """Ends an attempt to connect, which lasts until the handshake is done."""
        if self._state is TLSState.SHAKING:
            self._become(TLSState.FAILED)
            self.connected = 0
        super().failIfNotConnected(err)

    # The end

    def connectionLost(self, reason: Failure) -> None:
        """The connection is lost, or the attempt to make it has failed."""
        if self._state is TLSState.SHAKING:
            self._to.session = None  # it may be the reason
            self.failIfNotConnected(HandshakeFailed(self._problem, spoken=self._spoken))
            return
        if self.connected and reason.check(ConnectionDone):
            if self._state is TLSState.ENDED or self.disconnecting:
                self._send_last_close_notify()
            else:
                reason = Failure(main.CONNECTION_LOST)
        super().connectionLost(reason)


class TLSDialer(Dialer):
    """A `Dialer` whose connections speak TLS to a host."""

    def __init__(self, reactor: object, to: TLSHost, resolver: IHostnameResolver | None = None) -> None:
        super().__init__(reactor, resolver)
        self.make_transport = lambda *where: TLSClient(to, *where)


def _why(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        another = error.verify_code in _ANOTHER_HOST
        return "the certificate is for another host" if another else "the certificate is not trusted"
    return TLSClient._problem
