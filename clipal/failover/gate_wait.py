"""Waits for the decision of a gate that holds the body so far, within a time."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from clipal.failover.gate import HOLD, OPEN, Decision, Gate, judged
from clipal.upstream.response import WHOLE


class GateWait:
    """The wait for one gate.

    Parameters:
        settled: called with the decision, before `decision` fires.
        cancelled: called when `decision` is cancelled.

    Attributes:
        gate: must have been fed the body so far.
        decision: fires with the gate's decision; fails with AnswerCut if the body breaks off before.
    """

    def __init__(
        self, gate: Gate, clock: IReactorTime, settled: Callable[[Decision], None], cancelled: Callable[[], None]
    ) -> None:
        self.gate = gate
        self.decision: Deferred[Decision] = Deferred(lambda _: cancelled())
        self._clock = clock
        self._settled = settled
        self._timer: IDelayedCall | None = None
        self._progress = 0
        self._event_time = 0.0
        self._progressed: Callable[[], None] | None = None
        self._expired: Callable[[], None] | None = None

    def open_after(self, seconds: float) -> None:
        """Decides OPEN in `seconds` from now."""
        self._timer = self._clock.callLater(seconds, self.settle, OPEN)

    def follow(self, event_time: float, progressed: Callable[[], None], expired: Callable[[], None]) -> None:
        """Calls `progressed` and `expired` as bytes come.

        Parameters:
            event_time: seconds from the first byte on; 0 for no limit.
            progressed: called at the first byte; if `event_time` is 0, whenever the gate's progress grows.
            expired: called when `event_time` is over.
        """
        self._event_time, self._progressed, self._expired = event_time, progressed, expired

    def feed(self, data: bytes) -> None:
        """Lets the gate judge a piece of the body."""
        decision = judged(self.gate.feed, data)
        if decision is HOLD:
            self.held()
        else:
            self.settle(decision)

    def held(self) -> None:
        """Bytes have come, and the gate still holds."""
        if self._progressed is None:
            return
        if not self._event_time:
            if self.gate.progress != self._progress:
                self._progress = self.gate.progress
                self._progressed()
        elif self._timer is None and self._expired is not None:
            self._progressed()
            self._timer = self._clock.callLater(self._event_time, self._expired)

    def end(self, reason: Failure) -> None:
        """The body has ended, whole or broken off."""
        if reason is WHOLE:
            self.settle(judged(self.gate.end))
            return
        self.stop()
        self.decision.errback(reason)

    def settle(self, decision: Decision) -> None:
        """Ends the wait with `decision`."""
        self.stop()
        self._settled(decision)
        self.decision.callback(decision)

    def stop(self) -> None:
        """Leaves no timer behind."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
