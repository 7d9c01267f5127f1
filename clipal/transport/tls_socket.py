"""TLS as a socket: for what runs over an `https://` proxy, whose tunnel may hold TLS again.

It takes the place of a transport's socket, and has the methods that a transport calls. Decrypted bytes are not kept,
because the reactor watches the descriptor, and would not tell of them.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from clipal.transport.tls import TLSHost

_CHUNK: Final = 64 * 1024
_RECORD: Final = 16 * 1024


class TLSSocket:
    """The client's side of TLS over a socket that does not block.

    Parameters:
        below: a connected socket, which `close` closes too.
    """

    def __init__(self, below: socket.socket, to: TLSHost) -> None:
        self._below = below
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = to.wrap(self._incoming, self._outgoing)
        self._pending = b""  # encrypted, and not taken by the kernel yet
        self._owed = False  # whether a byte was accepted that no `send` has reported yet

    def __getattr__(self, name: str) -> Any:
        """All else is the socket's: options, addresses, its end."""
        return getattr(self._below, name)

    def shake_hands(self) -> bool:
        """Goes on with the handshake; whether it is done.

        Raises:
            ssl.SSLError: it failed.
            OSError: the connection is lost.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
            except ssl.SSLError:
                with suppress(OSError):
                    self._flush()  # the alert
                raise
            else:
                self._flush()
                return True
            try:
                if not self._receive():
                    raise ConnectionResetError(errno.ECONNRESET, "closed in the handshake")
            except BlockingIOError:
                return False

    def recv(self, size: int, flags: int = 0) -> bytes:
        """All that one read of the socket brought, which may be more than `size`; empty at the end.

        Raises:
            BlockingIOError: nothing, or less than a record.
        """
        if not self._receive():
            return b""
        pieces = []
        try:
            while self._incoming.pending:
                piece = self._tls.read(_RECORD)
                if not piece:
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            return b"".join(pieces)
        if self._outgoing.pending:
            self._flush()
        if not pieces:
            raise BlockingIOError(errno.EWOULDBLOCK, "no whole record")
        return b"".join(pieces)

    def send(self, data: bytes | memoryview) -> int:
        """Encrypts and sends. While encrypted bytes wait here, only the next call reports the last byte as taken."""
        if self._owed:
            self._flush()
            if self._pending:
                raise BlockingIOError(errno.EWOULDBLOCK, "queued")
            self._owed = False
            return 1
        taken = 0
        while taken < len(data) and not self._pending:
            taken += self._tls.write(memoryview(data)[taken : taken + _RECORD])
            self._flush()
        self._owed = bool(self._pending) and taken > 0
        return taken - self._owed

    def sendmsg(self, pieces: Iterable[bytes | memoryview]) -> int:
        """As `send` of the whole."""
        return self.send(b"".join(pieces))

    def _receive(self) -> bool:
        data = self._below.recv(_CHUNK)
        self._incoming.write(data)
        return bool(data)

    def _flush(self) -> None:
        self._pending += self._outgoing.read()
        while self._pending:
            try:
                sent = self._below.send(self._pending)
            except BlockingIOError:
                return
            self._pending = self._pending[sent:]
