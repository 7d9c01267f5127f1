"""One try of one request with one provider, from its sending to the outcome, within its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from clipal.config.model import FirstEvent as FirstEventMode
from clipal.dialects.dialect import Dialect
from clipal.routing import outcome as outcomes
from clipal.routing.gate import Decision, FirstByte, FirstEvent, Gate, Verdict, is_event_stream
from clipal.routing.hold import Hold
from clipal.routing.outcome import Outcome
from clipal.upstream.call import Call
from clipal.upstream.client import Upstream
from clipal.upstream.errors import AnswerCut, ConnectFailed, ConnectTimeout, UpstreamError

T = TypeVar("T")


@frozen
class Result:
    """What an attempt came to.

    Attributes:
        answer: the provider's, held from its first byte on; None where there was none.
    """

    outcome: Outcome
    answer: Hold | None


class Attempt:
    """Sends `call` to `upstream` once.

    Parameters:
        limit: seconds until the first byte of the answer's body; 0 for no limit.
        first_event: whether a stream is held until an event decides.
        event_time: seconds from the first byte on, after which it is handed on anyway; 0 for no limit.
        judge: False to take every answer as it is.
    """

    def __init__(
        self,
        call: Call,
        upstream: Upstream,
        dialect: Dialect,
        clock: IReactorTime,
        *,
        limit: float,
        first_event: FirstEventMode,
        event_time: float,
        judge: bool = True,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._call = call
        self._upstream = upstream
        self._dialect = dialect
        self._clock = clock
        self._limit = limit
        self._first_event = first_event
        self._event_time = event_time
        self._judge = judge
        self._wall = wall
        self._timer: IDelayedCall | None = None
        self._waiting: Deferred[object] | None = None
        self._late = False

    async def run(self, key: int) -> Result:
        """Tries it with the provider's key number `key`. Cancelling it closes the connection."""
        if self._limit:
            self._timer = self._clock.callLater(self._limit, self._too_late)
        try:
            response = await self._wait(self._upstream.ask(self._call, key))
            return await self._judged(Hold(response, self._clock))
        except CancelledError:
            if not self._late:
                raise
            return Result(outcomes.TIMED_OUT, None)
        except UpstreamError as error:
            return Result(_failure(error), None)
        finally:
            self._in_time()

    async def _judged(self, answer: Hold) -> Result:
        head = answer.head
        if self._judge and outcomes.needs_body(head.status):
            self._in_time()
            body = await self._wait(answer.read_error())
            return Result(outcomes.classify(head.status, head.fields, body, self._wall()), answer)
        try:
            decision = await self._wait(answer.decide(self._gate(answer), self._event_time, self._in_time))
        except AnswerCut:
            return Result(outcomes.BROKEN_ANSWER, None)
        return Result(self._outcome(decision, answer), answer)

    def _gate(self, answer: Hold) -> Gate:
        head = answer.head
        if self._judge and head.status == 200 and is_event_stream(head):
            gate = FirstEvent(self._dialect, self._call.path)
            if self._first_event is FirstEventMode.ON:
                return gate
            if self._first_event is FirstEventMode.SHADOW:
                answer.watch(gate, self._upstream.name)
        return FirstByte(empty_is_whole=not (self._judge and self._call.method == b"POST" and head.status == 200))

    def _outcome(self, decision: Decision, answer: Hold) -> Outcome:
        if decision.verdict is Verdict.EMPTY:
            return outcomes.EMPTY_ANSWER
        if decision.verdict is Verdict.ERROR:
            return outcomes.classify(decision.status, answer.head.fields, decision.body, self._wall())
        return outcomes.relayed(answer.head.status)

    # Time

    def _wait(self, waiting: Deferred[T]) -> Deferred[T]:
        self._waiting = waiting  # type: ignore[assignment]  # only ever cancelled
        return waiting

    def _too_late(self) -> None:
        self._late = True
        if self._waiting is not None:
            self._waiting.cancel()

    def _in_time(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


def _failure(error: UpstreamError) -> Outcome:
    """What it means that there is no answer."""
    if isinstance(error, ConnectTimeout):
        return outcomes.CONNECT_TIMEOUT
    return outcomes.network(str(error)) if isinstance(error, ConnectFailed) else outcomes.BROKEN_ANSWER
