"""What the connection of a client needs of its site; apart from the site, which makes the connections."""

from __future__ import annotations

from typing import Protocol

from twisted.web.http import HTTPChannel

from clipal.downstream.admission import Refusal
from clipal.downstream.connections import ClientConnection
from clipal.downstream.interfaces import IncomingSite
from clipal.downstream.request import Request
from clipal.wire.message import RequestHead


class ChannelSite(IncomingSite, Protocol):
    """The site of a channel."""

    def serve(self, request: Request, channel: HTTPChannel) -> None:
        """Answers `request`, now or later."""

    def refuse(self, refusal: Refusal, head: RequestHead | None, address: str) -> bytes:
        """The answer to a request that may not come in."""

    def connection_made(self, channel: ClientConnection, address: str) -> bool:
        """A client has come; whether there is room for it."""

    def connection_lost(self, channel: ClientConnection) -> None:
        """A client is gone."""

    def disconnected(self, request: Request) -> None:
        """A client was gone before `request` was complete."""
