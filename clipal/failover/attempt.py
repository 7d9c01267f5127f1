"""One attempt: a request is sent to one provider, and its answer is held until there is an outcome or time is up."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from clipal.config.settings import FirstEventMode
from clipal.failover.beginning import gate_for, shadow_gate_for
from clipal.failover.gate import EMPTY, HOLD, OPEN, Decision, Gate
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.terms import RequestTerms
from clipal.outcomes import outcome as outcomes
from clipal.outcomes.classification import classify, classify_error, needs_body
from clipal.outcomes.error_body import ErrorBody
from clipal.outcomes.outcome import Charge, Outcome
from clipal.providers.provider import Permit, Provider
from clipal.upstream.errors import (
    ConnectFailed,
    ConnectionBroken,
    ConnectTimeout,
    ForwardProxyFailed,
    StaleConnection,
    TLSFailed,
    UpstreamError,
)
from clipal.upstream.response import Response
from clipal.wire.message import ResponseHead
from clipal.wire.websocket import accepts_websocket


class Attempt:
    """Sends a request to `provider`, and sends it again over a fresh connection if the first connection was stale.

    Parameters:
        terms: of the request. Its trail counts how often the request is sent.
        permit: leave to ask, which `settle` ends.
        began: when the attempt begins, on the clock.

    Attributes:
        answer: the provider's answer, which is held; None without an answer.
        outcome: None until the caller has counted it.
        settled: whether the permit has ended.
    """

    answer: HeldAnswer | None = None
    outcome: Outcome | None = None
    settled = False
    _waiting: Deferred[Any] | None = None
    _late = False

    def __init__(self, terms: RequestTerms, provider: Provider, permit: Permit, began: float) -> None:
        self.provider = provider
        self.permit = permit
        self.began = began
        self._terms = terms

    async def run(self) -> Outcome:
        """Makes the attempt. Cancelling it aborts the connection."""
        terms = self._terms
        terms.deadline.begin(terms.limit, self._too_late)
        try:
            try:
                response = await self._send()
            except StaleConnection:
                response = await self._send()
            answer = self.answer = HeldAnswer(response, terms.route.clock)
            head = answer.head
            if terms.request.opens_websocket:
                return await self._judge_handshake(answer)
            if head.status >= 400 and terms.route.judge and needs_body(head.status, terms.request.head.method):
                return await self._judge_error(answer)
            if terms.route.first_event is FirstEventMode.SHADOW:
                answer.watch(shadow_gate_for(head, terms), self.provider.name)
            gate = gate_for(head, terms)
            decision = answer.look(gate)
            if decision is HOLD:
                decision = await self._decision(answer, gate)
            return outcomes.relayed(head.status) if decision is OPEN else self._no_answer(decision, head)
        except CancelledError:
            self.drop()
            if not self._late:
                raise
            return outcomes.TIMED_OUT
        except UpstreamError as error:
            self.drop()
            return _failure(error)
        except Exception:  # a bug of clipal's must not keep the provider producing
            self.drop()
            raise
        finally:
            terms.deadline.end()
            self._waiting = None

    def drop(self) -> None:
        """Aborts the answer, if there is one."""
        answer, self.answer = self.answer, None
        if answer is not None:
            answer.abort()

    def settle(self, outcome: Outcome | None) -> None:
        """Ends the permit, once. Charges `outcome` if there is one and the request's purpose allows it."""
        if self.settled:
            return
        self.settled = True
        terms = self._terms
        now = terms.route.clock.seconds()
        if outcome is not None and terms.purpose.charges(outcome):
            self.provider.settle(self.permit, outcome, now)
        else:
            self.provider.release(self.permit, now)

    def _send(self) -> Deferred[Response]:
        self._terms.trail.attempts += 1
        waiting = self._waiting = self.provider.upstream.ask(self._terms.request, self.permit.key)
        return waiting

    async def _judge_error(self, answer: HeldAnswer) -> Outcome:
        self._terms.deadline.clear()
        head = answer.head
        body = await answer.read_error()
        return classify(head.status, head.fields, body, self._terms.route.wall())

    async def _judge_handshake(self, answer: HeldAnswer) -> Outcome:
        """A provider that does not answer with a 101 may be well: perhaps it does not speak WebSocket."""
        status = answer.head.status
        if needs_body(status):
            outcome = await self._judge_error(answer)
            if outcome.charge not in (Charge.SUCCESS, Charge.NEUTRAL):
                return outcome
        if status != 101:
            return outcomes.NO_WEBSOCKET
        if accepts_websocket(self._terms.request.head, answer.head):
            return outcomes.relayed(status)
        self.drop()
        return outcomes.BROKEN_ANSWER

    def _decision(self, answer: HeldAnswer, gate: Gate) -> Deferred[Decision]:
        """The decision of a gate that holds what has come so far."""
        time = self._terms.route.event_time
        waiting = self._waiting = answer.decide(gate, time, self._terms.deadline.clear if time else self._begin_again)
        return waiting

    def _no_answer(self, decision: Decision, head: ResponseHead) -> Outcome:
        """The outcome of a 200 that is no answer."""
        if isinstance(decision, ErrorBody):
            return classify_error(decision, head.fields, self._terms.route.wall())
        return outcomes.EMPTY_ANSWER if decision is EMPTY else outcomes.PAGE_FOR_ANSWER

    def _begin_again(self) -> None:
        self._terms.deadline.set(self._terms.limit)

    def _too_late(self) -> None:
        self._late = True
        if self._waiting is not None:
            self._waiting.cancel()


def _failure(error: UpstreamError) -> Outcome:
    """The outcome of an attempt without an answer."""
    if isinstance(error, ConnectTimeout):
        return outcomes.CONNECT_TIMEOUT
    if isinstance(error, ConnectFailed | ConnectionBroken):
        return outcomes.network(str(error), warns=isinstance(error, TLSFailed))
    if isinstance(error, ForwardProxyFailed):
        return outcomes.forward_proxy_failed(str(error))
    return outcomes.BROKEN_ANSWER
