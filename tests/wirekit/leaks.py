"""What a test leaves behind: logged failures, delayed calls, sockets. pytest itself notices none of these.

`tests/conftest.py` looks after every test. Errors that no errback took are logged when their Deferred is
collected, so garbage is collected before looking.
"""

from __future__ import annotations

import gc

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.wirekit.waiting import reactor

_PATIENCE = 1.0
"""Seconds that what is being closed has to be gone."""


@implementer(ILogObserver)
class LoggedFailures:
    """A log observer that keeps failures and critical events until they are flushed."""

    def __init__(self) -> None:
        self._events: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        if "log_failure" in event or (event.get("log_level") is LogLevel.critical and not _is_a_heading(event)):
            self._events.append(event)

    def flush(self, *kinds: type[BaseException]) -> list[Failure]:
        """Forget the failures of some kinds, or everything where no kind is named; return the failures."""
        gc.collect()
        flushed = [event for event in self._events if not kinds or _is_one_of(event, kinds)]
        self._events = [event for event in self._events if event not in flushed]
        return [event["log_failure"] for event in flushed if "log_failure" in event]

    def left(self) -> list[str]:
        """A description of each event that was not flushed."""
        gc.collect()
        return [_describe(event) for event in self._events]


def _is_a_heading(event: LogEvent) -> bool:
    # A Deferred logs "Unhandled error in Deferred:" as an event of its own, and then the failure.
    return event.get("log_namespace") == Deferred.__module__


def _is_one_of(event: LogEvent, kinds: tuple[type[BaseException], ...]) -> bool:
    failure: Failure | None = event.get("log_failure")
    return failure is not None and failure.check(*kinds) is not None


def _describe(event: LogEvent) -> str:
    failure: Failure | None = event.get("log_failure")
    return f"logged: {formatEvent(event)}\n{failure.getTraceback() if failure else ''}"


class Leftovers:
    """The delayed calls and descriptors that have come since this was made."""

    def __init__(self) -> None:
        self._before = _present()

    def now(self) -> list[str]:
        """A description of each."""
        return [repr(each) for each in _present() - self._before]

    def settled(self) -> Deferred[list[str]]:
        """What is left once the reactor has had time to finish what is being closed."""
        return Deferred.fromCoroutine(self._settle())

    async def _settle(self) -> list[str]:
        give_up = reactor.seconds() + _PATIENCE
        while self.now() and reactor.seconds() < give_up:
            await deferLater(reactor, 0.002, lambda: None)
        return self.now()


def _present() -> set[object]:
    # The reactor's own descriptors (its waker, SIGCHLD's) have no public name.
    internal: set[object] = getattr(reactor, "_internalReaders", set())
    present: set[object] = {*reactor.getReaders(), *reactor.getWriters(), *reactor.getDelayedCalls()}
    return present - internal
