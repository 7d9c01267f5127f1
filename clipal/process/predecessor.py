"""The process whose place this one takes (`clipal.process.handover`): asks it for its sockets, then lets it drain."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any, Final

from clipal.process.handover import OfferingKind
from clipal.process.listening import Listener, file_identity

_PATIENCE: Final = 5.0
"""Seconds for the old process to answer."""
_LONGEST: Final = 65536
"""Bytes that are read at once."""
_MOST_SOCKETS: Final = 64
"""Sockets that are taken at most."""


class Predecessor:
    """The serving process, as the process sees it that is to take its place. All methods block."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._unread = b""
        self.kind = OfferingKind(self._ask(b"hello")["kind"])

    @classmethod
    def at(cls, path: Path) -> Predecessor | None:
        """The process that answers at `path`; None where no process does.

        Raises:
            OSError: the process does not answer.
            ValueError: its answer is of another version.
        """
        connecting = socket.socket(socket.AF_UNIX)
        connecting.settimeout(_PATIENCE)
        try:
            connecting.connect(os.fspath(path))
        except (FileNotFoundError, ConnectionRefusedError):
            connecting.close()
            return None
        return cls(connecting)

    def take(self) -> tuple[tuple[Listener, ...], socket.socket | None]:
        """Copies of its sockets: what it listens on, and that of `status_listen`."""
        from clipal.process.assignment import endpoints_of
        from clipal.transport.tls_server import ServerTLS

        self._socket.sendall(b"take\n")
        data, descriptors, _, _ = socket.recv_fds(self._socket, _LONGEST, _MOST_SOCKETS)
        self._unread += data
        said = self._read()
        sockets = [socket.socket(fileno=each) for each in descriptors]
        status = sockets.pop() if said["status"] else None
        found = []
        for endpoint, listening in zip(endpoints_of(said["endpoints"]), sockets, strict=True):
            identity = None if endpoint.path is None else file_identity(endpoint.path)
            tls = None if endpoint.tls is None else ServerTLS(endpoint.tls)
            found.append(Listener(endpoint, listening, tls, identity))
        return tuple(found), status

    def drain(self) -> None:
        """Lets the process accept no more connections, and end when its open requests have ended."""
        self._socket.sendall(b"drain\n")
        self._socket.close()

    def roll(self) -> bool:
        """Lets the process replace its workers; returns whether that succeeded."""
        self._socket.settimeout(None)
        return bool(self._ask(b"roll")["succeeded"])

    def _ask(self, line: bytes) -> Any:
        self._socket.sendall(line + b"\n")
        return self._read()

    def _read(self) -> Any:
        while b"\n" not in self._unread:
            data = self._socket.recv(_LONGEST)
            if not data:
                raise ConnectionResetError("it has ended")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return json.loads(line)
