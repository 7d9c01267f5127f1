"""HTTP to the clipal that listens on a UNIX socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer


@implementer(IAgentEndpointFactory)
class SocketFile:
    """Connects to one socket file; the URL's host does not count.

    Parameters:
        timeout: seconds for a connection.
    """

    def __init__(self, reactor: Any, path: Path, timeout: float) -> None:
        self._reactor = reactor
        self._path = path
        self._timeout = timeout

    def endpointForURI(self, uri: URI) -> UNIXClientEndpoint:
        return UNIXClientEndpoint(self._reactor, str(self._path), self._timeout)
