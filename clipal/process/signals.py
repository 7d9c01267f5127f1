"""What the signals of an operator do.

SIGTERM and SIGINT end the service with status 0, SIGHUP loads the files anew, SIGUSR1 opens the log anew, SIGUSR2
does nothing.

Twisted's own handlers would end the service too, but `twistd` then kills itself with the same signal, and a supervisor
sees a failure. A second SIGTERM or SIGINT ends the wait for open requests.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection
from types import FrameType

from twisted.application.service import Service
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from clipal.process.early_signals import HeldSignal


class Signals(Service):
    """The handlers of one process, while the service runs.

    Parameters:
        reload: called in the reactor on SIGHUP.
        reopen_log: called in the reactor on SIGUSR1.
        ignored: the names of signals that do nothing, because the parent acts on them and a terminal sends them to all.

    Attributes:
        patient: whether SIGTERM asked for the end; False for SIGINT, which comes from a keyboard.
        again: fires when the operator asks for the end a second time.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: ReactorBase,
        reload: Callable[[], None],
        reopen_log: Callable[[], None],
        ignored: Collection[str] = (),
    ) -> None:
        self._reactor = reactor
        self._actions = {
            "SIGINT": self._end,
            "SIGTERM": self._end_patiently,
            "SIGHUP": reload,
            "SIGUSR1": reopen_log,
            "SIGUSR2": lambda: None,
        }
        self._ignored = ignored
        self.patient = False
        self._ending = False
        self._before: dict[int, object] = {}
        self._held: dict[str, HeldSignal] = {}
        self.again: Deferred[None] = Deferred()

    def startService(self) -> None:
        """Takes the signals over; three of them once the reactor runs, because it installs handlers when it begins."""
        super().startService()
        found = ((name, signal.getsignal(getattr(signal, name))) for name in self._actions if hasattr(signal, name))
        self._held = {name: handler for name, handler in found if isinstance(handler, HeldSignal)}
        self._install("SIGUSR1", "SIGUSR2")
        self._reactor.callWhenRunning(self._install, "SIGINT", "SIGTERM", "SIGHUP")

    def stopService(self) -> None:
        """Puts the former handlers back."""
        super().stopService()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # the value came from signal.signal
        self._before.clear()

    def _install(self, *names: str) -> None:
        for name in names:
            number = getattr(signal, name, None)  # Windows has only SIGINT and SIGTERM
            if number is None:
                continue
            if name in self._ignored:
                self._before[number] = signal.signal(number, signal.SIG_IGN)
                continue
            handler = self._in_reactor(name, self._actions[name])
            self._before[number] = signal.signal(number, handler)
            held = self._held.get(name)
            if held is not None and held.received:
                held.received = False
                handler(number, None)

    def _in_reactor(self, name: str, action: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
        """A handler may run between any two instructions, so it only wakes the reactor, which then calls `action`."""

        def received() -> None:
            if not self._before:  # the service has stopped in the meantime
                return
            self._log.info("Received {name}", name=name)
            action()

        def handler(number: int, frame: FrameType | None) -> None:
            self._reactor.callFromThread(received)
            if name == "SIGUSR1" and callable(before := self._before.get(number)):
                before(number, frame)  # twistd's handler, which rotates twistd's own log

        return handler

    def end(self, *, patient: bool) -> None:
        """Does what the first SIGTERM does, or without `patient` SIGINT; does nothing once the end has begun."""
        self.patient = self.patient or (patient and not self._ending)
        if not self._ending:
            self._end()

    def _end_patiently(self) -> None:
        self.patient = self.patient or not self._ending
        self._end()

    def _end(self) -> None:
        if not self._ending:
            self._ending = True
            self._reactor.stop()
        elif not self.again.called:
            self.again.callback(None)
