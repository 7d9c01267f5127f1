"""The socket that clients connect to, as a service."""

from __future__ import annotations

import socket

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.posixbase import PosixReactorBase

from clipal.downstream.site import Site
from clipal.transport.tcp import EagerPort


class Listening(Service):
    """Accepts connections for `site` while it runs.

    Parameters:
        listening: a socket that listens already; it is closed when this service has a copy of its own.

    Attributes:
        address: where it listens, as `HOST:PORT`.
    """

    def __init__(self, reactor: PosixReactorBase, listening: socket.socket, site: Site) -> None:
        self._reactor = reactor
        self._listening = listening
        self._site = site
        self._port: IListeningPort | None = None
        host, port = listening.getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def startService(self) -> None:
        super().startService()
        port = self._port = EagerPort.adopt(self._reactor, self._listening, self._site)
        self._site.connections.accept_from(port)
        self._listening.close()

    @property
    def accepting(self) -> bool:
        """Whether connections come in."""
        return self._port is not None

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)
