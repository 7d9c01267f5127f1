"""One deadline that is moved often and met rarely."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Deadline:
    """Calls `expired` when the time that was last set has come.

    Moving the deadline later costs a look at the clock and no change of the reactor's timers: the one timer that runs
    goes off at the old time and is set again. So the deadline may be moved with every piece of a stream, and a
    connection that keeps its deadlines for all of its requests makes hardly any timer (docs/performance.md).

    Parameters:
        expired: called when the deadline has come; `begin` replaces it.
    """

    __slots__ = ("_at", "_clock", "_expired", "_timer")

    def __init__(self, clock: IReactorTime, expired: Callable[[], object] | None = None) -> None:
        self._clock = clock
        self._expired = expired
        self._at: float | None = None
        self._timer: IDelayedCall | None = None

    @property
    def at(self) -> float | None:
        """When it expires, on the clock; None for never."""
        return self._at

    def begin(self, seconds: float, expired: Callable[[], object]) -> None:
        """Calls `expired` in so many seconds from now; 0 is never."""
        self._expired = expired
        self.set(seconds)

    def set(self, seconds: float) -> None:
        """Expires in so many seconds from now; 0 is never."""
        if not seconds:
            self._at = None
            return
        at = self._at = self._clock.seconds() + seconds
        timer = self._timer
        if timer is None:
            self._timer = self._clock.callLater(seconds, self._timer_fired)
        elif timer.getTime() > at:
            timer.reset(seconds)

    def clear(self) -> None:
        """Does not expire, until it is set again."""
        self._at = None

    def end(self) -> None:
        """Does not expire until it begins again, and drops the reference to `expired`."""
        self._at = self._expired = None

    def close(self) -> None:
        """Does not expire any more, and stops its timer."""
        self.end()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _timer_fired(self) -> None:
        self._timer = None
        if self._at is None:
            return
        remaining = self._at - self._clock.seconds()
        if remaining > 0:
            self._timer = self._clock.callLater(remaining, self._timer_fired)
            return
        self._at = None
        if self._expired is not None:
            self._expired()
