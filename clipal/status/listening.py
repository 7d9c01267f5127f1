"""`status_listen`: a port or a socket file of its own for `/status` and `/metrics`, without a token.

An ordinary site of twisted.web serves these two pages only. A web page must not read them through a name of its own
that resolves to 127.0.0.1, so the rules on Host and Origin are those of clients' requests.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.posixbase import PosixReactorBase
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site

from clipal.config.addresses import plain_host
from clipal.downstream.admission import Admission, Refusal
from clipal.status.resources import NOT_SERVED, refuse
from clipal.wire.message import RequestHead

_METHOD_NOT_SERVED: Final = Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "This method is not served here.", "method")


class OpenAccess:
    """The rule of `status_listen`: every program that can connect may see the pages, but no web page may.

    Parameters:
        admission: the rules in force.
    """

    def __init__(self, admission: Callable[[], Admission]) -> None:
        self._admission = admission

    def refusal(self, request: IRequest) -> Refusal | None:
        """See `clipal.status.resources.Access`."""
        fields = [(name, value) for name, values in request.requestHeaders.getAllRawHeaders() for value in values]
        keys = [name.lower() for name, _ in fields]
        table = {key: value for key, (_, value) in zip(keys, fields, strict=True)}
        version = "1.0" if getattr(request, "clientproto", b"") == b"HTTP/1.0" else "1.1"
        head = RequestHead(version, fields, keys, table, True, False, request.method, request.uri, False)
        local = plain_host(getattr(request.getHost(), "host", "localhost"))
        return self._admission().refusal(head, local)


class _Request(Request):
    """A request whose errors are JSON."""

    def render(self, resrc: IResource) -> None:
        if self.method in (b"GET", b"HEAD"):
            super().render(resrc)
            return
        self.setHeader(b"Allow", b"GET, HEAD")
        self.write(refuse(self, _METHOD_NOT_SERVED))
        self.finish()


class StatusSite(Site):
    """Serves the pages of `children`, and nothing else."""

    def __init__(self, reactor: Any, children: Mapping[bytes, IResource]) -> None:
        root = _Root()
        for name, page in children.items():
            root.putChild(name, page)
        super().__init__(root, requestFactory=_Request, reactor=reactor, parsePOSTFormSubmission=False)
        self.noisy = False

    def startFactory(self) -> None:
        """Opens no access log."""

    def stopFactory(self) -> None:
        """Closes no access log."""

    def log(self, request: object) -> None:
        """Logs nothing, because a monitor asks every few seconds."""


class _Root(Resource):
    def getChild(self, path: bytes, request: IRequest) -> Resource:
        return _Unknown()


class _Unknown(Resource):
    isLeaf = True

    def render_GET(self, request: IRequest) -> bytes:
        return refuse(request, NOT_SERVED)


class StatusListening(Service):
    """Serves `site` on a socket that listens already; the reactor takes a copy, and the socket is closed.

    Parameters:
        leave_file: whether the file of the socket stays: other processes listen there too.

    Attributes:
        address: the address for the log.
    """

    def __init__(
        self, reactor: PosixReactorBase, listening: socket.socket, site: Site, *, leave_file: bool = False
    ) -> None:
        self.leave_file = leave_file
        self._reactor = reactor
        self._listening = listening
        self._site = site
        self._port: IListeningPort | None = None
        name = listening.getsockname()
        self._path = Path(os.fsdecode(name)) if isinstance(name, str | bytes) else None
        self.address = f"unix:{self._path}" if self._path is not None else "{}:{}".format(*name)

    def startService(self) -> None:
        super().startService()
        if self._path is not None:  # Twisted's own port would open the file to everybody, and always remove it
            from clipal.transport.unix import EagerUNIXPort

            self._port = EagerUNIXPort.adopt(self._reactor, self._listening, self._site)
        else:
            self._port = self._reactor.adoptStreamPort(self._listening.fileno(), self._listening.family, self._site)
        self._listening.close()

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            if self._path is not None and not self.leave_file:
                with suppress(OSError):  # somebody has removed the socket's file
                    self._path.unlink()
            await maybeDeferred(port.stopListening)
