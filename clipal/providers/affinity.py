"""Which provider answered an agent session last, so that its next request meets a warm prompt cache.

The table is in memory and bounded: the session that was used least recently is dropped first, and an idle session is
forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, TypeVar

SESSIONS: Final = 4096
"""Sessions that are remembered at most."""
IDLE: Final = 30 * 60.0
"""Seconds after which an idle session is forgotten."""

T = TypeVar("T")


class AffinityTable(Generic[T]):
    """From the name of a session, or of an answer, to the provider of its last answer."""

    def __init__(self, size: int = SESSIONS, idle: float = IDLE) -> None:
        self._size = size
        self._idle = idle
        self._table: OrderedDict[bytes, tuple[T, float, float]] = OrderedDict()

    def get(self, name: bytes | None, now: float) -> T | None:
        """The provider that answered `name` last; None for no name, or one that is unknown or forgotten."""
        if name is None or name not in self._table:
            return None
        provider, seen, _ = self._table[name]
        if now - seen > self._idle:
            del self._table[name]
            return None
        return provider

    def put(self, name: bytes | None, provider: T, now: float) -> bool:
        """Remembers that `provider` answered `name` at `now`.

        Returns:
            whether that is news: it was another one before, or the last news is so old that others may forget them.
        """
        if name is None:
            return False
        before, _, told = self._table.get(name, (None, now, now))
        news = before is not provider or now - told > self._idle / 2
        self._table[name] = (provider, now, now if news else told)
        self._table.move_to_end(name)
        if len(self._table) > self._size:
            self._table.popitem(last=False)
        return news

    def __len__(self) -> int:
        return len(self._table)
