"""How late the event loop comes to what is due: a sign that something keeps it busy."""

from __future__ import annotations

from collections import deque
from typing import Final

from twisted.application.internet import TimerService
from twisted.internet.interfaces import IReactorTime

INTERVAL: Final = 1.0
"""Seconds between two looks."""
LOOKS: Final = 15
"""How many looks count."""


class ReactorLag(TimerService):
    """Measures it once a second, while it runs."""

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__(INTERVAL, self._look)
        self.clock = clock
        self._seconds = clock.seconds
        self._began = 0.0
        self._looks = 0
        self._late: deque[float] = deque(maxlen=LOOKS)

    @property
    def seconds(self) -> float:
        """How late it was at most, within the last looks."""
        return max(self._late, default=0.0)

    def startService(self) -> None:
        self._began, self._looks = self._seconds(), 0
        super().startService()

    def _look(self) -> None:
        """A LoopingCall leaves out the looks that it missed, and keeps to its beat."""
        passed = self._seconds() - self._began
        self._late.append(max(0.0, passed - self._looks * INTERVAL))
        self._looks = int(passed // INTERVAL) + 1
