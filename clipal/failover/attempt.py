"""One attempt: a request is sent to one provider, and its answer is held until there is an outcome or time is up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime

from clipal.config.settings import FirstEventMode
from clipal.dialects.dialect import Dialect
from clipal.failover.beginning import Beginning, MediaType, media_type
from clipal.failover.gate import EMPTY, HOLD, OPEN, Decision, FirstByte, Gate
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.trail import Trail
from clipal.outcomes import outcome as outcomes
from clipal.outcomes.classification import classify, classify_error, needs_body
from clipal.outcomes.error_body import ErrorBody
from clipal.outcomes.outcome import Charge, Outcome
from clipal.providers.provider import Permit, Provider
from clipal.transport.deadline import Deadline
from clipal.upstream.errors import (
    ConnectFailed,
    ConnectionBroken,
    ConnectTimeout,
    ForwardProxyFailed,
    StaleConnection,
    TLSFailed,
    UpstreamError,
)
from clipal.upstream.request import UpstreamRequest
from clipal.upstream.response import Response
from clipal.wire.message import ResponseHead
from clipal.wire.websocket import accepts_websocket

_ANY_ANSWER: Final = FirstByte(empty_is_whole=True)
_SOME_ANSWER: Final = FirstByte(empty_is_whole=False)


@frozen
class Terms:
    """What all attempts of a route have in common.

    Attributes:
        first_event: whether a stream is held until an event decides.
        event_time: seconds from the first byte on, after which a stream is handed on anyway; 0 for no limit.
        judge: False to commit every answer, whatever it says.
        wall: a clock that tells the seconds since the epoch.
    """

    dialect: Dialect
    clock: IReactorTime
    first_event: FirstEventMode
    event_time: float
    judge: bool = True
    wall: Callable[[], float] = time.time


class Attempt:
    """Sends `request` to `provider`, and sends it again over a fresh connection if the first connection was stale.

    Parameters:
        permit: leave to ask; the caller ends it.
        deadline: for the first byte of the answer's body.
        limit: seconds until that byte; 0 for no limit. Where `event_time` is 0, the limit applies between the events of
            a stream's preamble, too.
        trail: counts how often the request is sent.
        began: when the attempt begins, on the clock.

    Attributes:
        answer: the provider's answer, which is held; None without an answer.
        outcome: None until the caller has counted and charged it.
    """

    answer: HeldAnswer | None = None
    outcome: Outcome | None = None
    _waiting: Deferred[Any] | None = None
    _late = False

    def __init__(
        self,
        request: UpstreamRequest,
        provider: Provider,
        permit: Permit,
        terms: Terms,
        deadline: Deadline,
        limit: float,
        trail: Trail,
        began: float,
    ) -> None:
        self.provider = provider
        self.permit = permit
        self.began = began
        self._request = request
        self._terms = terms
        self._deadline = deadline
        self._limit = limit
        self._trail = trail

    async def run(self) -> Outcome:
        """Makes the attempt. Cancelling it aborts the connection."""
        self._deadline.begin(self._limit, self._too_late)
        try:
            try:
                response = await self._send()
            except StaleConnection:
                response = await self._send()
            answer = self.answer = HeldAnswer(response, self._terms.clock)
            head = answer.head
            if self._request.opens_websocket:
                return await self._judge_handshake(answer)
            if head.status >= 400 and self._terms.judge and needs_body(head.status, self._request.head.method):
                return await self._judge_error(answer)
            decision = answer.look(self._gate(answer))
            if decision is HOLD:
                decision = await self._decision(answer)
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
            self._deadline.end()
            self._waiting = None

    def drop(self) -> None:
        """Aborts the answer, if there is one."""
        answer, self.answer = self.answer, None
        if answer is not None:
            answer.abort()

    def _send(self) -> Deferred[Response]:
        self._trail.attempts += 1
        waiting = self._waiting = self.provider.upstream.ask(self._request, self.permit.key)
        return waiting

    async def _judge_error(self, answer: HeldAnswer) -> Outcome:
        self._deadline.clear()
        head = answer.head
        body = await answer.read_error()
        return classify(head.status, head.fields, body, self._terms.wall())

    async def _judge_handshake(self, answer: HeldAnswer) -> Outcome:
        """A provider that does not answer with a 101 may be well: perhaps it does not speak WebSocket."""
        status = answer.head.status
        if needs_body(status):
            outcome = await self._judge_error(answer)
            if outcome.charge not in (Charge.SUCCESS, Charge.NEUTRAL):
                return outcome
        if status != 101:
            return outcomes.NO_WEBSOCKET
        if accepts_websocket(self._request.head, answer.head):
            return outcomes.relayed(status)
        self.drop()
        return outcomes.BROKEN_ANSWER

    def _decision(self, answer: HeldAnswer) -> Deferred[Decision]:
        """The decision of a gate that holds what has come so far."""
        time = self._terms.event_time
        waiting = self._waiting = answer.decide(time, self._deadline.clear if time else self._begin_again)
        return waiting

    def _gate(self, answer: HeldAnswer) -> Gate:
        head, terms, request = answer.head, self._terms, self._request
        if not terms.judge or head.status != 200:
            return _ANY_ANSWER
        kind = media_type(head)
        posted = request.head.method == b"POST"
        mode = terms.first_event
        if mode is FirstEventMode.SHADOW and (kind is MediaType.EVENTS or self._asks_for_stream()):
            coding = head.table.get(b"content-encoding", b"")
            # The shadow judges after the request's body is forgotten, so whether a stream was asked for is settled now.
            watching = Beginning(terms.dialect, request.path, kind, coding, lambda: True, events=True)
            answer.watch(watching, self.provider.name)
        if kind is MediaType.OTHER or not (posted or kind is MediaType.EVENTS):
            return _SOME_ANSWER if posted else _ANY_ANSWER
        coding = head.table.get(b"content-encoding", b"")
        events = mode is FirstEventMode.ON
        return Beginning(terms.dialect, request.path, kind, coding, self._asks_for_stream, events=events)

    def _asks_for_stream(self) -> bool:
        request, dialect = self._request, self._terms.dialect
        return dialect.asks_for_stream(request.path, request.query or b"", request.head.table, request.body.ends)

    def _no_answer(self, decision: Decision, head: ResponseHead) -> Outcome:
        """The outcome of a 200 that is no answer."""
        if isinstance(decision, ErrorBody):
            return classify_error(decision, head.fields, self._terms.wall())
        return outcomes.EMPTY_ANSWER if decision is EMPTY else outcomes.PAGE_FOR_ANSWER

    def _begin_again(self) -> None:
        self._deadline.set(self._limit)

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
