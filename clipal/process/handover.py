"""How a new process takes the place of one that serves, without a supervisor: over a UNIX socket for its owner alone.

The old process answers lines there: `hello` with what it is, `take` with copies of its listening sockets, `drain` by
accepting no more and ending behind what is open, `roll` by replacing its workers. Both processes hold the same sockets
meanwhile, so no connection is refused and none is lost in a queue.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from attrs import asdict, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver

from clipal.config.endpoint import Endpoint
from clipal.process.listening import Listener, file_identity, socket_at

_PATIENCE: Final = 5.0
"""Seconds for the old process to answer."""
_LONGEST: Final = 65536
_MOST_SOCKETS: Final = 64


def handover_path(directory: Path, listening: Sequence[Endpoint]) -> Path:
    """The socket's file: in the directory of the configuration, one for each port."""
    port = listening[0].port
    return directory / (f"upgrade-{port}.sock" if port else "upgrade.sock")


def _under_systemd(environment: Mapping[str, str], listening: Sequence[Endpoint]) -> bool:
    """Whether systemd has started this process, and would take the end of it for the end of the service."""
    started = environment.get("SYSTEMD_EXEC_PID") == str(os.getpid())
    return started or "NOTIFY_SOCKET" in environment or any(each.inherited for each in listening)


@frozen
class Offering:
    """What a process that serves can do for the one that is to follow it.

    Attributes:
        kind: `process`, `workers` or `systemd`: who is to be asked for what.
        endpoints: what it listens on.
        sockets: copies of the sockets, one for each endpoint and perhaps that of `status_listen`.
        drain: ends the process.
        roll: replaces its workers; None where it has none.
    """

    kind: str
    endpoints: Sequence[Endpoint] = ()
    sockets: Sequence[socket.socket] = ()
    drain: Callable[[], None] | None = None
    roll: Callable[[], Deferred[bool]] | None = None

    @classmethod
    def of_process(
        cls, listeners: Sequence[Listener], status_listening: socket.socket | None, drain: Callable[[], None]
    ) -> Offering:
        """That of one process that serves on these sockets, unless systemd has started it."""
        endpoints = tuple(listener.endpoint for listener in listeners)
        if _under_systemd(os.environ, endpoints):
            return cls("systemd")
        sockets = [listener.socket.dup() for listener in listeners]
        if status_listening is not None:
            sockets.append(status_listening.dup())
        return cls("process", endpoints, sockets, drain)

    @classmethod
    def of_workers(cls, listeners: Sequence[Listener], roll: Callable[[], Deferred[bool]]) -> Offering:
        """That of a parent of workers, unless systemd has started it."""
        endpoints = [listener.endpoint for listener in listeners]
        return cls("systemd") if _under_systemd(os.environ, endpoints) else cls("workers", roll=roll)


class _Conversation(LineOnlyReceiver):
    """With one process that has connected."""

    delimiter = b"\n"
    transport: Any

    def __init__(self, offering: Offering) -> None:
        self._offering = offering

    def connectionMade(self) -> None:
        if not _may_ask(self.transport.socket):
            self.transport.abortConnection()

    def lineReceived(self, line: bytes) -> None:
        offering = self._offering
        if line == b"hello":
            self._say({"kind": offering.kind, "pid": os.getpid()})
        elif line == b"take" and offering.kind == "process":
            has_status = len(offering.sockets) > len(offering.endpoints)
            said = _line({"endpoints": list(map(asdict, offering.endpoints)), "status": has_status})
            socket.send_fds(self.transport.socket, [said], [each.fileno() for each in offering.sockets])
        elif line == b"drain" and offering.drain is not None:
            offering.drain()
        elif line == b"roll" and offering.roll is not None:
            offering.roll().addCallback(lambda succeeded: self._say({"succeeded": succeeded}))

    def _say(self, message: object) -> None:
        self.transport.write(_line(message))


class HandOver(Service):
    """Offers what a process can do while it runs; without a file where none can be made."""

    _log = Logger()

    def __init__(self, reactor: Any, path: Path, offering: Offering) -> None:
        self._reactor = reactor
        self._path = path
        self._offering = offering
        self._identity: tuple[int, int] | None = None
        self._port: Any = None

    def startService(self) -> None:
        super().startService()
        if not hasattr(socket, "AF_UNIX") or not self._path.parent.is_dir():
            return
        from clipal.transport.unix import EagerUNIXPort

        own = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            listening = socket_at(own)
            self._identity = file_identity(own)
            own.rename(self._path)  # over that of the process whose place this one takes
        except OSError as error:
            self._log.debug("No upgrade without a pause: {why}", why=error.strerror or str(error))
            return
        listening.listen()
        listening.setblocking(False)
        factory = ServerFactory.forProtocol(lambda: _Conversation(self._offering))
        factory.noisy = False
        self._port = EagerUNIXPort.adopt(self._reactor, listening, factory)
        listening.close()

    def stopService(self) -> Deferred[None]:
        super().stopService()
        with suppress(OSError):
            if self._identity is not None and file_identity(self._path) == self._identity:
                self._path.unlink()
        for each in self._offering.sockets:
            each.close()
        port, self._port = self._port, None
        return Deferred.fromCoroutine(_stop(port))


async def _stop(port: Any) -> None:
    if port is not None:
        await maybeDeferred(port.stopListening)


class Predecessor:
    """The process whose place another one is to take, as that one sees it; what it does blocks."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._unread = b""
        self.kind = str(self._ask(b"hello")["kind"])

    @classmethod
    def at(cls, path: Path) -> Predecessor | None:
        """The one that offers it at `path`; None where there is none.

        Raises:
            OSError: it does not answer.
            ValueError: what it answers is of another version.
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
        """It accepts no more, and ends behind what is open."""
        self._socket.sendall(b"drain\n")
        self._socket.close()

    def roll(self) -> bool:
        """Its workers are replaced; whether they were."""
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


def _line(message: object) -> bytes:
    return json.dumps(message, default=str).encode() + b"\n"


def _may_ask(connected: socket.socket) -> bool:
    """Whether it is ours, or root's; where the system does not tell, the mode of the file has to do."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    credentials = connected.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    return struct.unpack("3i", credentials)[1] in (os.geteuid(), 0)
