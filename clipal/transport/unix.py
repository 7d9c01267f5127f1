"""Connections over a UNIX socket, as eager as those over TCP."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.address import UNIXAddress

from clipal.transport.tcp import EagerPort, EagerServer
from clipal.transport.tls_server import TLSServer


class _OverUNIX(EagerServer):
    """A server's transport whose addresses are paths, and that has no options of TCP's."""

    def __init__(self, sock: Any, protocol: Any, client: Any, server: Any, number: int, reactor: Any) -> None:
        super().__init__(sock, protocol, ("unix", 0), server, number, reactor)

    def getHost(self) -> Any:
        return self.came_to or UNIXAddress(self.socket.getsockname())

    def getPeer(self) -> Any:
        return self.came_from or UNIXAddress(None)

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Does nothing, because a UNIX socket has no such delay."""

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Does nothing, because the kernel knows when the other side has closed."""


class EagerUNIXServer(_OverUNIX):
    """The server's side of a connection."""


class TLSUNIXServer(TLSServer, _OverUNIX):
    """The server's side of a connection that may speak TLS."""


class EagerUNIXPort(EagerPort):
    """A listening port for UNIX connections. The caller makes and removes the socket's file."""

    addressFamily = getattr(socket, "AF_UNIX", socket.AF_UNSPEC)  # Python on Windows has none
    transport: type[EagerServer] = EagerUNIXServer

    def _buildAddr(self, address: Any) -> UNIXAddress:
        return UNIXAddress(None)

    def getHost(self) -> UNIXAddress:
        return UNIXAddress(os.fsencode(self.socket.getsockname()))
