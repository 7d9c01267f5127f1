"""TLS for the client's side, as one transport: socket, OpenSSL, protocol, and nothing between.

The transport itself holds the standard library's `ssl.SSLObject` with its two memory BIOs: what one read brought is
decrypted and delivered in one call, what is written is encrypted and sent at once. An event costs less than
through Twisted's own TLS, a protocol over pyOpenSSL (docs/adr/0007, docs/performance.md).

The handshake is a part of connecting. A protocol is made when it is done, and a failure fails the connecting, so no
byte waits for a handshake and no protocol has to know about one. Nothing decrypted is ever kept: who pauses the
transport stops the socket.
"""

from __future__ import annotations

import ssl

from attrs import define, field
from twisted.internet import main
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConnector, IHostnameResolver
from twisted.python.failure import Failure

from clipal.transport.tcp import Dialer, EagerClient
from clipal.transport.tls_stream import Ended, TLSStream

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
    """Whom connections must reach, and what they learnt of it.

    Attributes:
        context: whom to trust and what to offer; it must check host names.
        name: the host's name in ASCII, or its IP address; the certificate must be for it.
        session: the last full handshake's, which the next connections offer to resume (RFC 8446, 2.2).
    """

    context: ssl.SSLContext
    name: str
    session: ssl.SSLSession | None = field(default=None, repr=False)

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """The client's side of a new connection."""
        return self.context.wrap_bio(incoming, outgoing, server_hostname=self.name, session=self.session)


class TLSClient(TLSStream, EagerClient):
    """The client's side of a connection over TLS.

    Its end is a ConnectionDone only after a close_notify, or if we closed it. A FIN alone is a ConnectionLost, for
    anybody on the way can send one (RFC 8446, 6.1).
    """

    _spoken = False
    _problem = "TLS handshake failed"

    def __init__(self, to: TLSHost, host: str, port: int, bind: object, connector: IConnector, reactor: object) -> None:
        self._to = to
        super().__init__(host, port, bind, connector, reactor)

    # The handshake

    def opened(self) -> None:
        """The bytes are the host's. Twisted's own `_connectDone`, which makes the protocol, has to wait for TLS."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._open(self._to.wrap(incoming, outgoing), incoming, outgoing)
        self.connected = 1  # for `write`; it is what TCP is
        self.startReading()
        self._act_on(self._shake_hands())

    def _begin(self) -> Ended:
        """What the first reads brought: handshake messages, and then what comes first behind them.

        The session is kept here, for TLS 1.3's tickets come behind the handshake (RFC 8446, 4.6.1). A copy of a session
        is slow, so a connection that has resumed one leaves it to the next ones.
        """
        if self._shaking:
            why = self._shake_hands()
            self._spoken = self._spoken or why is None
            return why
        self._settled = True
        why = self._take()
        if not self._tls.session_reused:
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
        self._shaking = False
        super().opened()
        return self._take_rest()

    def failIfNotConnected(self, err: Exception) -> None:
        """Ends an attempt to connect: while hands are shaken, it is still one."""
        if self._shaking:
            self._shaking = False
            self.connected = 0
        super().failIfNotConnected(err)

    # The end

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone, or the attempt to make it."""
        if self._shaking:
            self._to.session = None  # in case it was to blame
            self.failIfNotConnected(HandshakeFailed(self._problem, spoken=self._spoken))
            return
        if self.connected and reason.check(ConnectionDone):
            if self._ended or self.disconnecting:
                self._say_goodbye()
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
