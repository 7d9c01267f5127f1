"""Time that does not jump."""

from __future__ import annotations

import time

from twisted.internet.base import ReactorBase


def use_monotonic_time(reactor: ReactorBase) -> None:
    """Lets the reactor measure time by a clock that nobody can set.

    Twisted's is the wall clock: when that is set forward, every deadline has come, and when it is set back, a provider
    that rests for a minute rests for an hour. To be called before anything is scheduled.
    """
    reactor.seconds = time.monotonic
