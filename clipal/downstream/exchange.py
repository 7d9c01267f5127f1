"""One request that goes to providers, from the complete request to its line in the log.

This is what relayed answers and WebSockets have in common: the attempts and their trail, the tally, the line. An
exchange ends with a provider's answer, whole or visibly broken, with a refusal, or with a client that disconnects.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any, ClassVar, Final
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
"""Characters of a provider's name that stand in a field as they are; the others are percent-encoded."""


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
        """Starts the attempts."""
        self._tally.began()
        answering = Deferred.fromCoroutine(self._answer())
        if not answering.called:  # else the answer has begun or ended, and its relay has seen to `on_disconnect`
            self._request.on_disconnect = answering.cancel
        answering.addErrback(self._failed)

    @abstractmethod
    async def _answer(self) -> None:
        """Asks the providers, then begins to relay the answer, or refuses the request."""

    def _ask(self, body: BytesBody) -> Coroutine[Any, Any, HeldAnswer | Unanswered]:
        """Asks the providers, one after another."""
        request = self._request
        carrier = client_carrier(request.head, request.query, self._dialect.carrier)
        upstream_request = UpstreamRequest(
            request.head, self._path, request.query, body, carrier, opens_websocket=self.opens_websocket
        )
        return self._failover.answer(upstream_request, self._trail, request.channel.first_byte)

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            self._report(Delivery(None, received=self._request.received), Ending.CLIENT_DISCONNECTED)
            return
        _log.failure("Bug while answering {id}", failure, id=self._request.id)
        self._request.on_disconnect = None
        self._fail()
        self._report(Delivery(HTTPStatus.INTERNAL_SERVER_ERROR.value, received=self._request.received), Ending.WHOLE)

    def _fail(self) -> None:
        """Ends the request after a bug of clipal's."""
        self._request.fail()

    def _report(self, delivery: Delivery, ending: Ending) -> None:
        """Counts this request, and logs its line."""
        request, now, status = self._request, self._clock.seconds(), delivery.status
        counted = DISCONNECTED_STATUS if status is None or ending is Ending.CLIENT_DISCONNECTED else status
        self._tally.ended(counted, now - request.began, delivery.received, delivery.sent, request.token_name)
        via = "" if delivery.provider is None else f" via {delivery.provider}"
        broken_off = "" if ending is Ending.WHOLE else self.broken_off(delivery, ending)
        log_request(
            request,
            self._dialect,
            self._trail,
            delivery,
            result=f"{status or '-'}{via}{broken_off}",
            transferred=self.transferred(delivery),
            warns=self.warns(delivery, ending),
            now=now,
        )

    def own_fields(self, provider: str) -> bytes:
        """The fields that `expose_provider` adds to the head of an answer; empty without that setting."""
        if not self._failover.settings.expose_provider:
            return b""
        return b"x-clipal-request-id: %b\r\nx-clipal-provider: %b\r\n" % (
            self._request.id.encode("ascii"),
            quote(provider, safe=_PRINTABLE).encode("ascii"),
        )

    # The words of its line

    @abstractmethod
    def transferred(self, delivery: Delivery) -> str:
        """How many bytes were transferred, and in which direction."""

    @abstractmethod
    def broken_off(self, delivery: Delivery, ending: Ending) -> str:
        """Which side broke the exchange off, and where."""

    @abstractmethod
    def warns(self, delivery: Delivery, ending: Ending) -> bool:
        """Whether the operator should look."""
