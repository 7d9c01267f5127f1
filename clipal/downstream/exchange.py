"""One request that goes to providers, from the complete request to the one line that is logged of it.

What relayed answers and WebSockets have in common: the attempts and their trail, the tally, the line. An exchange ends
with a provider's answer, whole or visibly broken, with an error of ours, or with a client that disconnects.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from http import HTTPStatus
from typing import ClassVar, Final
from urllib.parse import quote

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from clipal.dialects.dialect import Dialect
from clipal.downstream.request import Request
from clipal.downstream.request_line import Delivery, log_request
from clipal.failover.failover import Failover
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.trail import Ending, Trail, Unanswered
from clipal.providers.tally import DISCONNECTED_STATUS
from clipal.upstream.body import BytesBody
from clipal.upstream.credentials import client_carrier
from clipal.upstream.request import UpstreamRequest

_log = Logger()
_PRINTABLE: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
"""What stands in a field as it is; the rest of a provider's name is percent-encoded."""


class Exchange(ABC):
    """Answers `request` through `failover`.

    Attributes:
        opens_websocket: whether the request is a WebSocket's handshake.
    """

    opens_websocket: ClassVar[bool] = False

    def __init__(self, request: Request, dialect: Dialect, failover: Failover) -> None:
        self._request = request
        self._dialect = dialect
        self._failover = failover
        self._trail = Trail()
        self._path = request.path[len(dialect.prefix) + 1 :]
        self._clock = request.channel.site.reactor
        self._tally = failover.route.tally

    def begin(self) -> None:
        """Starts the attempts; their end, or the client's, ends the exchange."""
        self._tally.began()
        answering = Deferred.fromCoroutine(self._answer())
        if not answering.called:  # else the answer has begun already, or ended: who passes it on has seen to this
            self._request.on_disconnect = answering.cancel
        answering.addErrback(self._failed)

    @abstractmethod
    async def _answer(self) -> None:
        """Asks, and begins to pass the answer on, or refuses."""

    async def _ask(self, body: BytesBody) -> HeldAnswer | Unanswered:
        """Asks the providers, one after another."""
        request = self._request
        carrier = client_carrier(request.head, request.query, self._dialect.carrier)
        call = UpstreamRequest(
            request.head, self._path, request.query, body, carrier, opens_websocket=self.opens_websocket
        )
        return await self._failover.answer(call, self._trail, request.channel.first_byte)

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            self._report(Delivery(None, received=self._request.received), Ending.CLIENT_DISCONNECTED)
            return
        _log.failure("Bug while answering {id}", failure, id=self._request.id)
        self._request.on_disconnect = None
        self._fail()
        self._report(Delivery(HTTPStatus.INTERNAL_SERVER_ERROR.value, received=self._request.received), Ending.WHOLE)

    def _fail(self) -> None:
        """A bug of ours is in the way of the answer."""
        self._request.fail()

    def _report(self, delivery: Delivery, ending: Ending) -> None:
        """Counts this request, and logs its one line."""
        request, now, status = self._request, self._clock.seconds(), delivery.status
        counted = DISCONNECTED_STATUS if status is None or ending is Ending.CLIENT_DISCONNECTED else status
        self._tally.ended(counted, now - request.began, delivery.received, delivery.sent, request.token_name)
        via = "" if delivery.provider is None else f" via {delivery.provider}"
        log_request(
            request,
            self._dialect,
            self._trail,
            delivery,
            result=f"{status or '-'}{via}{self.broken_off(delivery, ending)}",
            transferred=self.transferred(delivery),
            warns=self.warns(delivery, ending),
            now=now,
        )

    def own_fields(self, provider: str) -> bytes:
        """What `expose_provider` adds to the head of an answer; else nothing."""
        if not self._failover.settings.expose_provider:
            return b""
        return b"x-clipal-request-id: %b\r\nx-clipal-provider: %b\r\n" % (
            self._request.id.encode("ascii"),
            quote(provider, safe=_PRINTABLE).encode("ascii"),
        )

    # What its line says

    @abstractmethod
    def transferred(self, delivery: Delivery) -> str:
        """How many bytes went which way."""

    @abstractmethod
    def broken_off(self, delivery: Delivery, ending: Ending) -> str:
        """Who broke it off, and where; empty for a whole one."""

    @abstractmethod
    def warns(self, delivery: Delivery, ending: Ending) -> bool:
        """Whether the operator should look."""
