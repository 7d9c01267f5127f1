"""Time that does not jump."""

from __future__ import annotations

import time

from twisted.internet.base import ReactorBase


def use_monotonic_time(reactor: ReactorBase) -> None:
    """Lets the reactor measure time by the monotonic clock. To be called before anything is scheduled.

    Twisted uses the wall clock. When that is set forward, every deadline passes at once; when it is set back by an
    hour, a cooldown of a minute lasts an hour longer.
    """
    reactor.seconds = time.monotonic
