"""How late the event loop runs timed calls: a sign that something keeps it busy."""

from __future__ import annotations

from collections import deque
from typing import Final

from twisted.application.internet import TimerService
from twisted.internet.interfaces import IReactorTime

_INTERVAL: Final = 1.0
"""Seconds between two looks."""
LOOKS: Final = 15
"""How many of the last looks count."""


class ReactorLag(TimerService):
    """Measures the delay of its own timed call once a second."""

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__(_INTERVAL, self._look)
        self.clock = clock
        self._seconds = clock.seconds
        self._began = 0.0
        self._looks = 0
        self._late: deque[float] = deque(maxlen=LOOKS)

    @property
    def seconds(self) -> float:
        """The longest delay of the last looks."""
        return max(self._late, default=0.0)

    def startService(self) -> None:
        self._began, self._looks = self._seconds(), 0
        super().startService()

    def _look(self) -> None:
        """Notes the delay of this look. A LoopingCall leaves out missed looks and keeps its beat."""
        passed = self._seconds() - self._began
        self._late.append(max(0.0, passed - self._looks * _INTERVAL))
        self._looks = int(passed // _INTERVAL) + 1
