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
from clipal.failover.gate import EMPTY, HOLD, PAGE, Decision, FirstByte, Gate
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.trail import Trail
from clipal.outcomes import outcome as outcomes
from clipal.outcomes.classification import classify, classify_error, needs_body
from clipal.outcomes.error_body import ErrorBody
from clipal.outcomes.outcome import Charge, Outcome
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
from clipal.upstream.provider_agent import ProviderAgent
from clipal.upstream.request import UpstreamRequest
from clipal.upstream.response import Response
from clipal.wire.message import ResponseHead
from clipal.wire.websocket import accepts_websocket

_ANY_ANSWER: Final = FirstByte(empty_is_whole=True)
_SOME_ANSWER: Final = FirstByte(empty_is_whole=False)


@frozen
class Result:
    """How an attempt ended.

    Attributes:
        answer: the provider's answer, which is held; None without an answer.
    """

    outcome: Outcome
    answer: HeldAnswer | None


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
    """Sends `request` to `upstream`, and sends it again over a fresh connection if the first connection was stale.

    Parameters:
        deadline: for the first byte of the answer's body.
        trail: counts how often the request is sent.
    """

    _waiting: Deferred[Any] | None = None
    _late = False
    _limit = 0.0

    def __init__(
        self, request: UpstreamRequest, upstream: ProviderAgent, terms: Terms, deadline: Deadline, trail: Trail
    ) -> None:
        self._request = request
        self._upstream = upstream
        self._terms = terms
        self._deadline = deadline
        self._trail = trail

    async def run(self, key: int, limit: float) -> Result:
        """Makes the attempt with the provider's key number `key`. Cancelling it aborts the connection.

        Parameters:
            limit: seconds until the first byte of the answer's body; 0 for no limit. Where `event_time` is 0, the limit
                applies between the events of a stream's preamble, too.
        """
        self._limit = limit
        self._deadline.begin(limit, self._too_late)
        answer: HeldAnswer | None = None
        try:
            try:
                answer = HeldAnswer(await self._send(key), self._terms.clock)
            except StaleConnection:
                answer = HeldAnswer(await self._send(key), self._terms.clock)
            if self._request.opens_websocket:
                return await self._judge_handshake(answer)
            if self._terms.judge and needs_body(answer.head.status, self._request.method):
                return await self._judge_error(answer)
            return Result(self._outcome(await self._decide(answer), answer), answer)
        except CancelledError:
            if not self._late:
                raise
            return Result(outcomes.TIMED_OUT, None)
        except UpstreamError as error:
            return Result(_failure(error), None)
        except Exception:  # a bug of clipal's must not keep the provider producing
            if answer is not None:
                answer.abort()
            raise
        finally:
            self._deadline.end()
            self._waiting = None

    def _send(self, key: int) -> Deferred[Response]:
        self._trail.attempts += 1
        waiting = self._waiting = self._upstream.ask(self._request, key)
        return waiting

    async def _judge_error(self, answer: HeldAnswer) -> Result:
        self._deadline.clear()
        head = answer.head
        body = await answer.read_error()
        return Result(classify(head.status, head.fields, body, self._terms.wall()), answer)

    async def _judge_handshake(self, answer: HeldAnswer) -> Result:
        """A provider that does not answer with a 101 may be well: perhaps it does not speak WebSocket."""
        status = answer.head.status
        if needs_body(status):
            result = await self._judge_error(answer)
            if result.outcome.charge not in (Charge.SUCCESS, Charge.NEUTRAL):
                return result
        if status != 101:
            return Result(outcomes.NO_WEBSOCKET, answer)
        if accepts_websocket(self._request.head, answer.head):
            return Result(outcomes.relayed(status), answer)
        answer.abort()
        return Result(outcomes.BROKEN_ANSWER, None)

    async def _decide(self, answer: HeldAnswer) -> Decision:
        decision = answer.look(self._gate(answer))
        if decision is HOLD:
            time = self._terms.event_time
            waiting = self._waiting = answer.decide(time, self._deadline.clear if time else self._begin_again)
            decision = await waiting
        return decision

    def _gate(self, answer: HeldAnswer) -> Gate:
        head, terms = answer.head, self._terms
        if not terms.judge or head.status != 200:
            return _ANY_ANSWER
        kind = media_type(head)
        posted = self._request.method == b"POST"
        mode = terms.first_event
        if mode is FirstEventMode.SHADOW and (kind is MediaType.EVENTS or self._asks_for_stream()):
            coding = head.table.get(b"content-encoding", b"")
            # The shadow judges after the request's body is forgotten, so whether a stream was asked for is settled now.
            watching = Beginning(terms.dialect, self._request.path, kind, coding, lambda: True, events=True)
            answer.watch(watching, self._upstream.name)
        if kind is MediaType.OTHER or not (posted or kind is MediaType.EVENTS):
            return _SOME_ANSWER if posted else _ANY_ANSWER
        return self._beginning(head, kind, events=mode is FirstEventMode.ON)

    def _beginning(self, head: ResponseHead, kind: MediaType, *, events: bool) -> Gate:
        coding = head.table.get(b"content-encoding", b"")
        return Beginning(self._terms.dialect, self._request.path, kind, coding, self._asks_for_stream, events=events)

    def _asks_for_stream(self) -> bool:
        request, dialect = self._request, self._terms.dialect
        return dialect.asks_for_stream(request.path, request.query or b"", request.head.table, request.body.ends)

    def _outcome(self, decision: Decision, answer: HeldAnswer) -> Outcome:
        head = answer.head
        if decision is EMPTY:
            return outcomes.EMPTY_ANSWER
        if decision is PAGE:
            return outcomes.PAGE_FOR_ANSWER
        if isinstance(decision, ErrorBody):
            return classify_error(decision, head.fields, self._terms.wall())
        return outcomes.relayed(head.status)

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
