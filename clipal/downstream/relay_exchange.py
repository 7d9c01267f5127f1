"""An exchange that relays a provider's answer."""

from __future__ import annotations

from http import HTTPStatus

from twisted.logger import Logger

from clipal.dialects.token_counts import BEGINNING, TAIL, TokenCounts
from clipal.downstream.exchange import Exchange
from clipal.downstream.relay import Relay, write_whole
from clipal.downstream.request_line import Delivery
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.trail import Ending, Unanswered
from clipal.upstream.body import BytesBody

_log = Logger()


class RelayExchange(Exchange):
    """Relays a provider's answer, or refuses the request in the client's own error shape."""

    async def _answer(self) -> None:
        body = BytesBody(*self._request.take_body())
        try:
            result = await self._ask(body)
        finally:
            body.forget()  # the connection keeps the part that it is still sending
        if isinstance(result, Unanswered):
            self._refuse(result)
        else:
            self._pass_on(result)

    def _pass_on(self, answer: HeldAnswer) -> None:
        try:
            if answer.whole:
                self._pass_on_whole(answer)
            else:
                self._relay(answer)
        except Exception:
            answer.abort()
            raise

    def _pass_on_whole(self, answer: HeldAnswer) -> None:
        """Writes a whole answer without a relay and its producers (docs/performance.md, "What brought it")."""
        body, began = answer.take(), self._clock.seconds()
        write_whole(self._request, answer.head, body, answer.trailers(), self.own_fields(answer.provider))
        answer.ended(Ending.WHOLE)
        self._report(self._delivery(answer, len(body), began, body[:BEGINNING], body[-TAIL:]), Ending.WHOLE)
        self._request.finish()

    def _relay(self, answer: HeldAnswer) -> None:
        def ended(ending: Ending) -> None:
            answer.ended(ending)
            self._report(self._delivery(answer, relay.splice.sent, began, *relay.splice.ends()), ending)

        self._request.forget_body()
        head, own, idle = answer.head, self.own_fields(answer.provider), self._failover.idle_timeout
        relay = Relay(self._request, head, answer.trailers, idle, ended, own)
        began = self._clock.seconds()
        self._request.head.forget_fields()  # they are a third of what an open stream holds
        answer.hand_on(relay, relay.join)

    def _delivery(self, answer: HeldAnswer, sent: int, first_byte: float, beginning: bytes, end: bytes) -> Delivery:
        """What the client got of `answer`, whose body has this beginning and this end."""
        spent = self._count_tokens(answer, beginning, end)
        return Delivery(answer.head.status, answer.provider, self._request.received, sent, first_byte, spent)

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
        sent = self._request.answer(unavailable.status, message, retry_after=unavailable.retry_after, fields=fields)
        delivery = Delivery(unavailable.status.value, received=self._request.received, sent=sent)
        self._report(delivery, Ending.WHOLE)

    def transferred(self, delivery: Delivery) -> str:
        return f"{delivery.sent} bytes"

    def broken_off(self, delivery: Delivery, ending: Ending) -> str:
        return f", {ending.value} " + ("waiting for an answer" if delivery.status is None else "in the body")

    def warns(self, delivery: Delivery, ending: Ending) -> bool:
        return delivery.provider is None if ending is Ending.WHOLE else ending.blamed
