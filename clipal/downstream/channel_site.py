"""What a channel needs of its site. It is apart from the site because the site imports the channel."""

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
        """The bytes of the answer to a request that is refused."""

    def connection_made(self, channel: ClientConnection, address: str) -> bool:
        """A client has connected. Returns whether there is room for it."""

    def connection_lost(self, channel: ClientConnection) -> None:
        """The connection is lost."""

    def disconnected(self, request: Request) -> None:
        """The client disconnected before `request` was complete."""
