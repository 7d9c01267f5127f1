"""TLS in a transport: what the server's and the client's have in common once they have begun to speak it.

What one read brought is decrypted and delivered in one call, what is written is encrypted and sent at once. Nothing
decrypted is kept: pausing the transport stops reading the socket.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from twisted.internet import main
from twisted.python.failure import Failure

from clipal.transport.tcp import Ended, SendsAtOnce
from clipal.transport.tls_state import TLS_NEXT, TLSState

_RECORD = 16 * 1024
"""The most plaintext that a record holds (RFC 8446, 5.1): reading as much takes a record whole."""
_SLICE = _RECORD
"""Bytes encrypted before they go to the socket: a memory BIO keeps what it once grew to (docs/performance.md)."""

_OPEN: Final = TLSState.OPEN


class TLSStream(SendsAtOnce):
    """A transport that speaks TLS. Subclasses make the handshake. `_become` makes every change of its state."""

    _state: TLSState = TLSState.PLAIN
    _paused = False

    def _become(self, state: TLSState) -> None:
        assert state in TLS_NEXT[self._state], f"{state!r} after {self._state!r}"
        self._state = state

    def _open(self, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        """Begins to speak TLS."""
        self._tls, self._incoming, self._outgoing = tls, incoming, outgoing
        self._held: list[bytes | memoryview] = []
        self._become(TLSState.SHAKING)

    def _begin(self) -> Ended:
        """Takes what the first reads brought: handshake messages, and the first bytes behind them."""
        if self._state is TLSState.SHAKING:
            return self._shake_hands()
        self._become(TLSState.OPEN)
        return self._take()

    def _shake_hands(self) -> Ended:
        """Goes on with the handshake. At its end, takes what came with it."""
        raise NotImplementedError

    # Receiving

    def doRead(self) -> Ended:  # type: ignore[override]  # a mixin of Twisted's says that it returns nothing
        """Reads what there is, once; the result is the reason to end the connection."""
        data = self._read()
        if not isinstance(data, bytes):
            return data
        self._incoming.write(data)
        return self._take() if self._state is _OPEN else self._begin()

    def _take(self) -> Ended:
        """Decrypts all that has come. Asking for `pending` first saves the exception of a read that finds nothing."""
        pieces = []
        why: Ended = None
        try:
            while self._incoming.pending:
                piece = self._tls.read(_RECORD)
                if not piece:
                    self._become(TLSState.ENDED)
                    why = main.CONNECTION_DONE
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass  # half a record, or a message of TLS's own
        except ssl.SSLError:
            why = main.CONNECTION_LOST
        if self._outgoing.pending:  # an alert, an answer to a KeyUpdate
            self._send_records()
        if self._held:
            self._write_held()
        if pieces:
            self.protocol.dataReceived(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        return why

    def _take_rest(self) -> Ended:
        """Takes what came with the end of the handshake, unless the protocol has paused or ended the connection."""
        wanted = self.connected and not (self._paused or self._aborting or self.disconnecting)
        return self._begin() if wanted and self._state is TLSState.SHAKEN and self._incoming.pending else None

    def _act_on(self, why: Ended) -> None:
        if why is not None:  # as the reactor does with what `doRead` returns
            self.connectionLost(Failure(why))

    def pauseProducing(self) -> None:
        self._paused = True
        super().pauseProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        super().resumeProducing()
        self._act_on(self._take_rest())

    # Sending

    def direct(self) -> None:
        """Nothing goes to the socket as it is."""

    def write(self, data: bytes | memoryview) -> None:
        """Encrypts `data` and sends it, or as much as the kernel takes; the rest is queued."""
        if not data or not self.connected:
            return
        if self._held:
            self._held.append(data)
            return
        sent = 0
        try:
            sent = self._tls.write(data)  # one record
            while sent < len(data):
                if self._outgoing.pending >= _SLICE:
                    self._send_records()
                sent += self._tls.write(memoryview(data)[sent : sent + _RECORD])
        except ssl.SSLWantReadError:
            self._held.append(data[sent:])  # TLS has to read the rest of a message of its own first
        except ssl.SSLError:
            self.abortConnection()
        self._send_records()

    def _send_records(self) -> None:
        """Sends what TLS has made: messages of the handshake and alerts too, which `write` would encrypt."""
        SendsAtOnce.write(self, self._outgoing.read())

    def writeSequence(self, iovec: Iterable[bytes | memoryview]) -> None:
        """As `write` of each: records end where a piece does."""
        for data in iovec:
            self.write(data)

    def _write_held(self) -> None:
        held, self._held = self._held, []
        for data in held:
            self.write(data)

    # The end

    def readConnectionLost(self, reason: Failure) -> None:
        """Ends the connection: one that is open on one side only is not kept."""
        self.connectionLost(reason)

    def _send_last_close_notify(self) -> None:
        """Sends our close_notify; the other side's is not waited for (RFC 8446, 6.1)."""
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        with suppress(OSError):
            self.socket.send(self._outgoing.read())
