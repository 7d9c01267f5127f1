"""A service that accepts clients' connections."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from clipal.downstream.preface import PrefaceFactory
from clipal.downstream.site import Site
from clipal.process.listening import Listener
from clipal.transport.tcp import EagerPort
from clipal.transport.tls_server import BadCertificate, TLSServer


class Listening(Service):
    """Accepts connections for `site` while it runs.

    Parameters:
        listeners: sockets that listen already. They are closed when this service has copies of its own.

    Attributes:
        address: where it listens, for the log.
    """

    _log = Logger()

    def __init__(self, reactor: PosixReactorBase, listeners: Sequence[Listener], site: Site) -> None:
        self._reactor = reactor
        self._listeners = listeners
        self._site = site
        self._ports: dict[EagerPort, Listener] = {}
        self.address = ", ".join(listener.address for listener in listeners)

    @property
    def accepting(self) -> bool:
        """Whether connections come in."""
        return bool(self._ports)

    def startService(self) -> None:
        super().startService()
        for listener in self._listeners:
            port = self._adopt(listener)
            self._ports[port] = listener
            self._site.connections.accept_from(port)
            listener.socket.close()

    def _adopt(self, listener: Listener) -> EagerPort:
        proxied, tls = listener.endpoint.proxied, listener.tls
        factory: Any = PrefaceFactory(self._site, tls, proxied=proxied) if proxied or tls is not None else self._site
        if listener.socket.family == getattr(socket, "AF_UNIX", None):
            from clipal.transport.unix import EagerUNIXPort, TLSUNIXServer

            transport: Any = None if tls is None else TLSUNIXServer
            return EagerUNIXPort.adopt(self._reactor, listener.socket, factory, transport)
        return EagerPort.adopt(self._reactor, listener.socket, factory, None if tls is None else TLSServer)

    def read_certificates_again(self) -> None:
        """Reads the certificates again, for new connections. If a certificate is bad, the one in force stays."""
        for listener in self._listeners:
            if listener.tls is not None:
                try:
                    listener.tls.read_again()
                except BadCertificate as error:
                    self._log.error("The certificate in force stays: {error}", error=str(error))

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self.stop_accepting(leave_files=False))

    async def stop_inherited(self) -> None:
        """Accepts no more from sockets that systemd holds: new connections wait for the next process."""
        for port, listener in list(self._ports.items()):
            if listener.endpoint.inherited:
                del self._ports[port]
                await maybeDeferred(port.stopListening)

    async def stop_accepting(self, *, leave_files: bool) -> None:
        """Accepts no more.

        Parameters:
            leave_files: whether another process uses the same sockets, so that their files must stay.
        """
        ports, self._ports = self._ports, {}
        for port, listener in ports.items():
            if not leave_files:
                listener.remove_file()
            await maybeDeferred(port.stopListening)
