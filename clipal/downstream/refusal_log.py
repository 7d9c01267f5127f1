"""Bounds the log lines of refusals, because a web page can cause thousands of refusals in a second.

The first ten of a kind within a minute have a line each. Those after them are counted, and one line at the minute's end
tells how many they were. A kind is a refusal and a client's address.
"""

from __future__ import annotations

from typing import Final

from attrs import define, frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from clipal.downstream.admission import Refusal

_MINUTE: Final = 60.0
LINES: Final = 10
"""Lines of one kind in a minute."""
KINDS: Final = 1000
"""Kinds that are told apart in a minute; further addresses are counted together."""
_ELSEWHERE: Final = "other addresses"


@frozen
class _Kind:
    refusal: Refusal
    address: str


@define
class _Count:
    lines: int = 0
    summed: int = 0


class RefusalLog:
    """Counts the refusals of a minute, which begins with its first one."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._counts: dict[_Kind, _Count] = {}
        self._ends = 0.0
        self._end: IDelayedCall | None = None

    def has_line(self, refusal: Refusal, address: str) -> bool:
        """Whether this refusal gets a line of its own. If not, it is counted for the sum."""
        now = self._clock.seconds()
        if now >= self._ends:
            self.sum_up()
            self._ends = now + _MINUTE
        count = self._count(refusal, address)
        if count.lines < LINES:
            count.lines += 1
            return True
        count.summed += 1
        if self._end is None:
            self._end = self._clock.callLater(self._ends - now, self.sum_up)
        return False

    def sum_up(self) -> None:
        """Ends the minute: logs a line for each kind that was counted."""
        end, self._end = self._end, None
        if end is not None and end.active():
            end.cancel()
        counts, self._counts = self._counts, {}
        self._ends = 0.0
        for kind, count in counts.items():
            if count.summed:
                self._log.info(
                    "refused {count} more requests from {address} in this minute → {status}: {why}",
                    count=count.summed,
                    address=kind.address,
                    status=kind.refusal.status.value,
                    why=kind.refusal.why,
                )

    def _count(self, refusal: Refusal, address: str) -> _Count:
        kind = _Kind(refusal, address)
        count = self._counts.get(kind)
        if count is None:
            if len(self._counts) >= KINDS:
                kind = _Kind(refusal, _ELSEWHERE)
            count = self._counts.setdefault(kind, _Count())
        return count
