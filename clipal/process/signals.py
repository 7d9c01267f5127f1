"""What the signals of an operator do: SIGTERM and SIGINT end the service with status 0, SIGHUP loads the files anew.

Twisted's own handlers would do for the first two, but `twistd` then kills itself with the same signal, and a supervisor
sees a failure. A second SIGTERM or SIGINT, an impatient operator's, ends the waiting for open requests.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

from twisted.application.service import Service
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from clipal.process.hangup import HeldHangup


class Signals(Service):
    """The handlers of one process, while the service runs.

    Parameters:
        reload: called in the reactor on SIGHUP.

    Attributes:
        again: fires when the operator asks for the end a second time.
    """

    _log = Logger()

    def __init__(self, reactor: ReactorBase, reload: Callable[[], None]) -> None:
        self._reactor = reactor
        self._reload = reload
        self._ending = False
        self._before: dict[int, object] = {}
        self.again: Deferred[None] = Deferred()

    def startService(self) -> None:
        """Takes the signals over once the reactor runs, because it installs its own handlers when it begins."""
        super().startService()
        self._reactor.callWhenRunning(self._install)

    def stopService(self) -> None:
        """Gives them back."""
        super().stopService()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave us
        self._before.clear()

    def _install(self) -> None:
        for name, action in (("SIGINT", self._end), ("SIGTERM", self._end), ("SIGHUP", self._reload)):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is None:
                continue
            handler = self._in_reactor(name, action)
            before = self._before[number] = signal.signal(number, handler)
            if isinstance(before, HeldHangup) and before.received:
                before.received = False
                handler(number, None)

    def _in_reactor(self, name: str, action: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
        """A handler may run between any two instructions, so all that it does is to wake the reactor."""

        def received() -> None:
            if not self._before:  # given back before the reactor came to this
                return
            self._log.info("Received {name}", name=name)
            action()

        return lambda number, frame: self._reactor.callFromThread(received)

    def _end(self) -> None:
        if not self._ending:
            self._ending = True
            self._reactor.stop()
        elif not self.again.called:
            self.again.callback(None)
