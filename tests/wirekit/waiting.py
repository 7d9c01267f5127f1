"""Waiting for something to become true, with a deadline that says what there was instead.

An object that changes (a connection, a program's output) owns a `Conditions` and tells it of each change. No
test polls and no test waits for a span of time; the deadline is there only to end a test that has failed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from attrs import define
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import (
    IReactorCore,
    IReactorFDSet,
    IReactorProcess,
    IReactorSSL,
    IReactorTCP,
    IReactorTime,
)
from twisted.python.failure import Failure

T = TypeVar("T")

DEADLINE = 10.0
"""Seconds after which a test that waits has failed."""


class IReactor(IReactorCore, IReactorTime, IReactorTCP, IReactorSSL, IReactorFDSet, IReactorProcess):
    """The parts of the reactor that tests use, in one type."""


reactor = cast("IReactor", _reactor)


class TooLateError(AssertionError):
    """What was waited for did not happen before the deadline."""


class NeverError(AssertionError):
    """What was waited for cannot happen any more."""


@define(eq=False)
class _Waiting:
    met: Callable[[], bool]
    fired: Deferred[None]


class Conditions:
    """Deferreds that fire when a condition on a changing object holds.

    Parameters:
        describe: what there is now, for the message of a wait that fails.
    """

    def __init__(self, describe: Callable[[], str]) -> None:
        self._describe = describe
        self._waiting: list[_Waiting] = []
        self._over = False

    def until(self, met: Callable[[], bool], deadline: float | None = DEADLINE) -> Deferred[None]:
        """Fire as soon as `met` holds.

        Parameters:
            deadline: in seconds; None for ever.

        The Deferred fails with `TooLateError` after the deadline, and with `NeverError` once the object does
        not change any more.
        """
        if met():
            return succeed(None)
        if self._over:
            return fail(NeverError(self._describe()))
        waiting = _Waiting(met, Deferred(lambda _: self._waiting.remove(waiting)))
        self._waiting.append(waiting)
        return waiting.fired if deadline is None else within(waiting.fired, self._describe, deadline)

    def changed(self) -> None:
        """Look at every condition again."""
        for waiting in list(self._waiting):
            if waiting in self._waiting and waiting.met():
                self._waiting.remove(waiting)
                waiting.fired.callback(None)

    def over(self) -> None:
        """Look a last time; fail what does not hold now."""
        self._over = True
        self.changed()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.fired.errback(NeverError(self._describe()))


def within(fires: Deferred[T], describe: Callable[[], str], deadline: float = DEADLINE) -> Deferred[T]:
    """Cancel a Deferred after a deadline in seconds: it then fails with `TooLateError` and a description."""

    def too_late(_result: T | Failure, _seconds: float) -> Failure:
        return Failure(TooLateError(f"not within {deadline} s: {describe()}"))

    return fires.addTimeout(deadline, reactor, onTimeoutCancel=too_late)
