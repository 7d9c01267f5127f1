"""The periodic work of the service: rereads changed configuration files, and looks after the providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from twisted.application.internet import TimerService
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from clipal.config.reload import Reloader
from clipal.failover.failover import Failover

UPKEEP: Final = 2.0
"""Seconds between two checks."""


class Upkeep(TimerService):
    """Looks every two seconds whether a file has changed, and whether a provider may be asked again."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, reloader: Reloader, failovers: Mapping[str, Failover]) -> None:
        super().__init__(UPKEEP, self.look)
        self.clock = clock
        self._now = clock.seconds
        self._reloader = reloader
        self._failovers = failovers
        self._failing: set[str] = set()  # whose last check raised an exception

    def look(self) -> None:
        """Checks the files and the providers; where one check fails, the others are made all the same."""
        self._try("the configuration files", self._reloader.check)
        now = self._now()
        for failover in self._failovers.values():
            for provider in failover.route.providers:
                self._try(f"{provider.client}: {provider.name}", partial(provider.look_after, now))

    def _try(self, what: str, look: Callable[[], None]) -> None:
        """Calls `look`. If it raises an exception, that is logged, but not again until `look` has succeeded."""
        try:
            look()
        except Exception:
            if what not in self._failing:
                self._failing.add(what)
                self._log.failure("Bug while looking after {what}", what=what)
        else:
            self._failing.discard(what)
