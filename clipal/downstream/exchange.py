"""One request and its answer, from the complete request to the one line that is logged of it.

Every exchange ends exactly once: with a provider's answer, whole or visibly broken, with an error of ours, or with a
client that left. Whatever it holds (an attempt under way, a provider's connection) is let go of on each of these ways.
"""

from __future__ import annotations

from http import HTTPStatus

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from clipal.dialects.dialect import Dialect
from clipal.dialects.token_counts import BEGINNING, END, TokenCounts
from clipal.downstream.relay import Relay, write_whole
from clipal.downstream.request import Request
from clipal.downstream.request_line import Delivery, log_request
from clipal.failover.failover import Failover
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.trail import Ending, Trail, Unanswered
from clipal.providers.tally import DISCONNECTED_STATUS
from clipal.upstream.body import BytesBody
from clipal.upstream.credentials import client_carrier
from clipal.upstream.request import UpstreamRequest

_log = Logger()  # not of the class: that would make one for each line, and let its event hold on to the exchange
_NO_BODY = BytesBody()


class Exchange:
    """Answers `request` through `failover`."""

    def __init__(self, request: Request, dialect: Dialect, failover: Failover) -> None:
        self._request = request
        self._dialect = dialect
        self._failover = failover
        self._trail = Trail()
        self._path = request.path[len(dialect.prefix) + 1 :]
        self._clock = request.channel.site.reactor
        self._body = _NO_BODY
        self._tally = failover.route.tally
        self._spent: TokenCounts | None = None
        self._first_byte: float | None = None

    def begin(self) -> None:
        """Starts the attempts; their end, or the client's, ends the exchange."""
        self._tally.began()
        answering = Deferred.fromCoroutine(self._answer())
        if not answering.called:  # else the answer has begun already, or ended: who passes it on has seen to this
            self._request.client_gone = answering.cancel
        answering.addErrback(self._failed)

    async def _answer(self) -> None:
        request = self._request
        carrier = client_carrier(request.head, request.query, self._dialect.carrier)
        self._body = BytesBody(*request.take_body())
        call = UpstreamRequest(request.head, self._path, request.query, self._body, carrier)
        result = await self._failover.answer(call, self._trail, request.channel.first_byte)
        if isinstance(result, Unanswered):
            self._refuse(result)
        else:
            self._pass_on(result)

    def _pass_on(self, answer: HeldAnswer) -> None:
        def ended(ending: Ending) -> None:
            answer.ended(ending)
            self._spent = self._count_tokens(answer, *relay.ends())
            self._report(answer.head.status, answer.provider, relay.sent, ending)

        try:
            if answer.whole:
                self._pass_on_whole(answer)
                return
            self._body.forget()  # what is still being sent of it is kept by the connection that sends it
            self._request.forget_body()
            relay = Relay(self._request, answer.head, answer.trailers, self._failover.idle_timeout, ended)
            self._first_byte = self._clock.seconds()
            answer.hand_on(relay)
        except Exception:
            answer.let_go()
            raise

    def _pass_on_whole(self, answer: HeldAnswer) -> None:
        """One write instead of a relay, with its producers and its deadline (15 us)."""
        body = answer.take()
        self._first_byte = self._clock.seconds()
        write_whole(self._request, answer.head, body, answer.trailers())
        answer.ended(Ending.WHOLE)
        self._spent = self._count_tokens(answer, body[:BEGINNING], body[-END:])
        self._report(answer.head.status, answer.provider, len(body), Ending.WHOLE)
        self._request.finish()

    def _count_tokens(self, answer: HeldAnswer, beginning: bytes, end: bytes) -> TokenCounts | None:
        """What the answer says that it cost, which its provider's tally learns too.

        Nothing where it is compressed, or was made for an earlier request, which a GET shows again.
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
        self._request.client_gone = None
        message = f"{result.message} (request {self._request.id})"
        sent = self._request.answer(unavailable.refused, message, retry_after=unavailable.retry_after)
        self._report(unavailable.refused.value, None, sent, Ending.WHOLE)

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            self._report(None, None, 0, Ending.CLIENT_GONE)
            return
        _log.failure("Bug while answering {id}", failure, id=self._request.id)
        self._request.client_gone = None
        self._request.fail()
        self._report(HTTPStatus.INTERNAL_SERVER_ERROR.value, None, 0, Ending.WHOLE)

    def _report(self, status: int | None, provider: str | None, sent: int, ending: Ending) -> None:
        """The one line of this request, and the end of what it held."""
        self._body.forget()
        request, now = self._request, self._clock.seconds()
        counted = DISCONNECTED_STATUS if status is None or ending is Ending.CLIENT_GONE else status
        self._tally.ended(counted, now - request.began, request.received, sent)
        log_request(
            request,
            self._dialect,
            self._trail,
            Delivery(status, provider, request.received, sent, self._first_byte, self._spent),
            result=_result(status, provider, ending),
            transferred=f"{sent} bytes",
            warns=ending.blamed or (provider is None and ending is Ending.WHOLE),
            now=now,
        )


def _result(status: int | None, provider: str | None, ending: Ending) -> str:
    """What came of it, and where it broke, if it did: waiting for the head, or within the body."""
    via = "" if provider is None else f" via {provider}"
    if ending is Ending.WHOLE:
        return f"{status}{via}"
    phase = "waiting for an answer" if status is None else "in the body"
    return f"{status or '-'}{via}, {ending.value} {phase}"
