"""How a new process takes the place of one that serves, without a supervisor: over a UNIX socket for its owner alone.

The old process answers lines there: `hello` with what it is, `take` with copies of its listening sockets. At `drain` it
accepts no more connections, and ends when its open requests have ended; at `roll` it replaces its workers. Both
processes hold the same sockets meanwhile, so no connection is refused and none is lost in a queue.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from attrs import asdict, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver

from clipal.config.endpoint import Endpoint
from clipal.process.listening import Listener, file_identity, socket_at


def handover_path(directory: Path, listening: Sequence[Endpoint]) -> Path:
    """The socket's file: in the directory of the configuration, one for each port."""
    port = listening[0].port
    return directory / (f"upgrade-{port}.sock" if port else "upgrade.sock")


def _under_systemd(environment: Mapping[str, str], listening: Sequence[Endpoint]) -> bool:
    """Whether systemd has started this process; its end would then be the end of the service for systemd."""
    started = environment.get("SYSTEMD_EXEC_PID") == str(os.getpid())
    return started or "NOTIFY_SOCKET" in environment or any(each.inherited for each in listening)


class OfferingKind(Enum):
    """What a serving process is, for one that is to take its place."""

    PROCESS = "process"
    """Hands over its sockets, and drains."""
    WORKERS = "workers"
    """Replaces its workers by a roll."""
    SYSTEMD = "systemd"
    """Does neither: systemd restarts it."""


@frozen
class Offering:
    """What a serving process can do for a process that is to take its place.

    Attributes:
        endpoints: what the process listens on.
        sockets: copies of the sockets, one for each endpoint and perhaps that of `status_listen`.
        drain: ends the process.
        roll: replaces its workers; None where it has none.
    """

    kind: OfferingKind
    endpoints: Sequence[Endpoint] = ()
    sockets: Sequence[socket.socket] = ()
    drain: Callable[[], None] | None = None
    roll: Callable[[], Deferred[bool]] | None = None

    @classmethod
    def of_process(
        cls, listeners: Sequence[Listener], status_listening: socket.socket | None, drain: Callable[[], None]
    ) -> Offering:
        """The offering of one process that serves on these sockets, unless systemd has started it."""
        endpoints = tuple(listener.endpoint for listener in listeners)
        if _under_systemd(os.environ, endpoints):
            return cls(OfferingKind.SYSTEMD)
        sockets = [listener.socket.dup() for listener in listeners]
        if status_listening is not None:
            sockets.append(status_listening.dup())
        return cls(OfferingKind.PROCESS, endpoints, sockets, drain)

    @classmethod
    def of_workers(cls, listeners: Sequence[Listener], roll: Callable[[], Deferred[bool]]) -> Offering:
        """The offering of a parent of workers, unless systemd has started it."""
        endpoints = [listener.endpoint for listener in listeners]
        under_systemd = _under_systemd(os.environ, endpoints)
        return cls(OfferingKind.SYSTEMD) if under_systemd else cls(OfferingKind.WORKERS, roll=roll)


class _Conversation(LineOnlyReceiver):
    """The conversation with one process that has connected."""

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
            self._say({"kind": offering.kind.value, "pid": os.getpid()})
        elif line == b"take" and offering.kind is OfferingKind.PROCESS:
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
    """Makes the offering at the socket's file while the process runs; does nothing where no file can be made."""

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
            own.rename(self._path)  # replaces the file of the process whose place this one takes
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


def _line(message: object) -> bytes:
    return json.dumps(message, default=str).encode() + b"\n"


def _may_ask(connected: socket.socket) -> bool:
    """Whether the other process is our user's or root's. Where no system call tells, the file's mode is the guard."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    credentials = connected.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    return struct.unpack("3i", credentials)[1] in (os.geteuid(), 0)
