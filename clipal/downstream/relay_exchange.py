"""An exchange that relays a provider's answer."""

from __future__ import annotations

from http import HTTPStatus

from twisted.logger import Logger

from clipal.dialects.dialect import Dialect
from clipal.dialects.token_counts import BEGINNING, TAIL, TokenCounts
from clipal.downstream.exchange import Exchange
from clipal.downstream.relay import Relay, write_whole
from clipal.downstream.request import Request
from clipal.downstream.request_line import Delivery
from clipal.failover.failover import Failover
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.trail import Ending, Unanswered
from clipal.upstream.body import BytesBody

_log = Logger()
_NO_BODY = BytesBody()


class RelayExchange(Exchange):
    """Relays a provider's answer, or refuses the request in the client's own error shape."""

    def __init__(self, request: Request, dialect: Dialect, failover: Failover) -> None:
        super().__init__(request, dialect, failover)
        self._body = _NO_BODY
        self._spent: TokenCounts | None = None
        self._first_byte: float | None = None

    async def _answer(self) -> None:
        self._body = BytesBody(*self._request.take_body())
        result = await self._ask(self._body)
        if isinstance(result, Unanswered):
            self._refuse(result)
        else:
            self._pass_on(result)

    def _pass_on(self, answer: HeldAnswer) -> None:
        def ended(ending: Ending) -> None:
            answer.ended(ending)
            self._spent = self._count_tokens(answer, *relay.splice.ends())
            self._report(self._delivery(answer.head.status, answer.provider, relay.splice.sent), ending)

        try:
            if answer.whole:
                self._pass_on_whole(answer)
                return
            self._body.forget()  # the connection keeps the part that it is still sending
            self._request.forget_body()
            head, own, idle = answer.head, self.own_fields(answer.provider), self._failover.idle_timeout
            relay = Relay(self._request, head, answer.trailers, idle, ended, own)
            self._first_byte = self._clock.seconds()
            answer.hand_on(relay, relay.join)
        except Exception:
            answer.abort()
            raise

    def _pass_on_whole(self, answer: HeldAnswer) -> None:
        """Writes a whole answer without a relay and its producers (docs/performance.md, "What brought it")."""
        body = answer.take()
        self._first_byte = self._clock.seconds()
        write_whole(self._request, answer.head, body, answer.trailers(), self.own_fields(answer.provider))
        answer.ended(Ending.WHOLE)
        self._spent = self._count_tokens(answer, body[:BEGINNING], body[-TAIL:])
        self._report(self._delivery(answer.head.status, answer.provider, len(body)), Ending.WHOLE)
        self._request.finish()

    def _count_tokens(self, answer: HeldAnswer, beginning: bytes, end: bytes) -> TokenCounts | None:
        """The tokens that the answer says it cost; adds them to its provider's tally.

        None for a compressed answer, and for an answer to GET, which may repeat an earlier answer.
        """
        head, request = answer.head, self._request
        if head.status != HTTPStatus.OK or request.method != b"POST":
            return None
        if head.table.get(b"content-encoding", b"identity").lower() != b"identity":
            return None
        try:
            spent = self._dialect.tokens(beginning, end, self._path)
        except Exception:
            _log.failure("Bug while counting the tokens of {id}", id=request.id)
            return None
        if spent is not None:
            self._tally.provider(answer.provider).spent(spent)
        return spent

    def _refuse(self, result: Unanswered) -> None:
        self._tally.unanswered += 1
        unavailable = self._dialect.unavailable(rate_limited=result.rate_limited, wait=result.wait)
        self._request.on_disconnect = None
        message = f"{result.message} (request {self._request.id})"
        exposed = self._failover.settings.expose_provider
        fields = ((b"x-clipal-request-id", self._request.id.encode("ascii")),) if exposed else ()
        sent = self._request.answer(unavailable.refused, message, retry_after=unavailable.retry_after, fields=fields)
        self._report(self._delivery(unavailable.refused.value, None, sent), Ending.WHOLE)

    def _report(self, delivery: Delivery, ending: Ending) -> None:
        """Reports as every exchange does, and forgets the request's body."""
        self._body.forget()
        super()._report(delivery, ending)

    def _delivery(self, status: int, provider: str | None, sent: int) -> Delivery:
        return Delivery(status, provider, self._request.received, sent, self._first_byte, self._spent)

    def transferred(self, delivery: Delivery) -> str:
        return f"{delivery.sent} bytes"

    def broken_off(self, delivery: Delivery, ending: Ending) -> str:
        if ending is Ending.WHOLE:
            return ""
        return f", {ending.value} " + ("waiting for an answer" if delivery.status is None else "in the body")

    def warns(self, delivery: Delivery, ending: Ending) -> bool:
        return ending.blamed or (delivery.provider is None and ending is Ending.WHOLE)
