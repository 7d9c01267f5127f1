"""The sockets that clipal listens on. They are opened before the service starts, so that errors are found at once."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory

from clipal.config.endpoint import Endpoint
from clipal.transport.tls_server import BadCertificate, ServerTLS


class CannotListen(Exception):
    """A socket cannot be opened; the text is for the operator."""


@define(eq=False)
class Listener:
    """A socket that listens, and the TLS of its connections.

    Attributes:
        tls: None where connections have no TLS.
        identity: the device and the inode of the socket's file. The file is removed at the end only if it still has
            these.
    """

    endpoint: Endpoint
    socket: socket.socket = field(repr=False)
    tls: ServerTLS | None = None
    identity: tuple[int, int] | None = None

    @property
    def address(self) -> str:
        """The address for the log."""
        name = self.socket.getsockname()
        if self.socket.family not in (socket.AF_INET, socket.AF_INET6):
            return f"unix:{os.fsdecode(name)}" if self.endpoint.path is None else self.endpoint.shown
        host, port = name[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def remove_file(self) -> None:
        """Removes the file of a UNIX socket, if this listener made it."""
        path = self.endpoint.path
        if path is not None and self.identity is not None:
            with suppress(OSError):
                if file_identity(path) == self.identity:
                    path.unlink()


def open_listeners(endpoints: Iterable[Endpoint]) -> tuple[Listener, ...]:
    """Listens on all of `endpoints`.

    Raises:
        CannotListen: an endpoint cannot be listened on; the others are closed again.
    """
    opened: list[Listener] = []
    try:
        for endpoint in endpoints:
            opened.append(_open(endpoint))
    except CannotListen:
        for listener in opened:
            listener.remove_file()
            listener.socket.close()
        raise
    return tuple(opened)


def _open(endpoint: Endpoint) -> Listener:
    try:
        tls = None if endpoint.tls is None else ServerTLS(endpoint.tls)
        if endpoint.inherited:
            return Listener(endpoint, _inherited(endpoint), tls)
        if endpoint.path is not None:
            bound = socket_at(endpoint.path, endpoint.mode)
            identity = file_identity(endpoint.path)
        else:
            bound, identity = _tcp_socket(endpoint.host, endpoint.port), None
        bound.listen(endpoint.backlog)
        bound.setblocking(False)
    except BadCertificate as error:
        raise CannotListen(f"cannot listen on {endpoint.shown}: {error}") from None
    except OSError as error:
        why = (error.strerror or str(error) or "not possible").lower()
        raise CannotListen(f"cannot listen on {endpoint.shown}: {why}") from None
    return Listener(endpoint, bound, tls, identity)


def _tcp_socket(address: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # on Windows, SO_REUSEADDR would share a taken port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


class _Adopter:
    """Stands for the reactor when an endpoint of Twisted's asks for a port, and keeps the socket."""

    adopted: socket.socket

    def adoptStreamPort(self, descriptor: int, family: int, factory: object) -> None:
        self.adopted = socket.socket(fileno=os.dup(descriptor))
        os.set_inheritable(self.adopted.fileno(), False)


def _inherited(endpoint: Endpoint) -> socket.socket:
    """The socket that systemd passed; Twisted removed it from the environment when it was imported."""
    adopter: Any = _Adopter()
    failed: list[object] = []
    try:
        serverFromString(adopter, endpoint.inherited).listen(Factory()).addErrback(failed.append)
    except (KeyError, IndexError, ValueError):
        raise CannotListen(f"cannot listen on {endpoint.shown}: systemd has passed no such socket") from None
    found: socket.socket | None = getattr(adopter, "adopted", None)
    if failed or found is None:
        raise CannotListen(f"cannot listen on {endpoint.shown}: systemd has passed no usable socket")
    domain = endpoint.inherited.partition("domain=")[2].partition(":")[0]
    if found.type != socket.SOCK_STREAM or found.family != getattr(socket, f"AF_{domain}", None):
        found.close()
        raise CannotListen(f"cannot listen on {endpoint.shown}: the socket is no stream of the domain {domain}")
    return found


def socket_at(path: Path, mode: int = 0o600) -> socket.socket:
    """A socket bound to the file `path`. The file of a process that has ended is removed first.

    Raises:
        OSError: the socket cannot be bound.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # no process can connect before the mode is set
    try:
        if _is_left_over(path):
            path.unlink()
        bound.bind(os.fspath(path))
        path.chmod(mode)
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(before)
    return bound


def file_identity(path: Path) -> tuple[int, int]:
    """The device and the inode of a file, by which it is known again."""
    status = path.lstat()
    return status.st_dev, status.st_ino


def _is_left_over(path: Path) -> bool:
    """Whether `path` is a socket on which no process listens."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return False
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(1)
        try:
            trial.connect(os.fspath(path))
        except ConnectionRefusedError:
            return True
    return False
