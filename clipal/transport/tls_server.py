"""TLS for the server's side: the certificate, and a transport that speaks it (see `clipal.transport.tls_stream`)."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from twisted.internet import main
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from clipal.config.endpoint import TLSFiles
from clipal.transport.tcp import EagerServer, Ended
from clipal.transport.tls_state import TLSState
from clipal.transport.tls_stream import TLSStream


class BadCertificate(Exception):
    """The files of a listener's TLS cannot be used; the text is for the operator."""


class ServerTLS:
    """The certificate that a listener shows, and the authorities of those that it asks clients for.

    Attributes:
        context: for new connections; replaced whole when the files are read again.

    Raises:
        BadCertificate: the files cannot be used.
    """

    def __init__(self, files: TLSFiles) -> None:
        self._files = files
        self.context = _context(files)

    def read_again(self) -> None:
        """Reads the files as they are now.

        Raises:
            BadCertificate: they cannot be used; what was read before stays.
        """
        self.context = _context(self._files)


def _context(files: TLSFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _read(files.certificate), _read(files.key)  # for a message that names the file
    try:
        if files.chain is None:
            context.load_cert_chain(files.certificate, files.key, password="")
        else:
            with NamedTemporaryFile(suffix=".pem") as whole:
                whole.write(_read(files.certificate) + b"\n" + _read(files.chain))
                whole.flush()
                context.load_cert_chain(whole.name, files.key, password="")
    except (OSError, ValueError) as error:
        what = getattr(error, "reason", None) or "no PEM, or a key with a password"
        said = what.replace("_", " ").lower()
        raise BadCertificate(f"the certificate {files.certificate} with the key {files.key}: {said}") from None
    if files.client_ca is not None:
        try:
            context.load_verify_locations(cadata=_read(files.client_ca).decode("ascii", "replace"))
        except (ssl.SSLError, ValueError):
            raise BadCertificate(f"{files.client_ca} holds no certificates") from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadCertificate(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None


class TLSServer(TLSStream, EagerServer):
    """The server's side of a connection that speaks TLS from some point on."""

    def secure(self, context: ssl.SSLContext, early: bytes, ready: Callable[[], None]) -> None:
        """Begins the handshake.

        Parameters:
            early: what the client has sent already.
            ready: called when the handshake is done. It may replace the protocol; all bytes from then on are decrypted.
        """
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._open(context.wrap_bio(incoming, outgoing, server_side=True), incoming, outgoing)
        self._ready = ready
        if early:
            incoming.write(early)
            self._act_on(self._begin())

    def doRead(self) -> Ended:  # type: ignore[override]  # a mixin of Twisted's says that it returns nothing
        """Reads what there is, once; the result is the reason to end the connection."""
        if self._state is TLSState.PLAIN:
            return EagerServer.doRead(self)
        if self._state is not TLSState.DISCARDING:
            return super().doRead()
        try:
            return None if self.socket.recv(self.bufferSize) else main.CONNECTION_DONE
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST

    def _shake_hands(self) -> Ended:
        why: Ended = None
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            why = main.CONNECTION_LOST
        else:
            self._become(TLSState.SHAKEN)
        self._send_records()  # also after a failure: it made an alert
        if self._state is TLSState.SHAKING:
            return why
        self._ready()
        return self._take_rest()

    def loseWriteConnection(self) -> None:
        """Ends writing, with a close_notify over TLS. Over TLS, what the client still sends is discarded."""
        if self._state not in (TLSState.PLAIN, TLSState.DISCARDING):
            self._become(TLSState.DISCARDING)
            self._close_notify()
        super().loseWriteConnection()

    def connectionLost(self, reason: Failure) -> None:
        """The connection is lost."""
        if (
            self._state in (TLSState.SHAKEN, TLSState.OPEN, TLSState.ENDED)
            and self.connected
            and reason.check(ConnectionDone)
        ):
            self._send_last_close_notify()
        super().connectionLost(reason)

    def _close_notify(self) -> None:
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        self._send_records()
