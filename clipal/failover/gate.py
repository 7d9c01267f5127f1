"""Decides when an answer is committed: at its first content, not at its head.

A gate is told what comes of one answer's body and says for how long it must be held: until the first byte, or, for a
stream of server-sent events, until the first event that is content. An error event before that, or an end, is an
outcome like a status code. The gate may fail to help, never do harm: past its bounds, and at whatever it does not
understand, it opens. It is pure: bytes in, decisions out; whoever holds the body does so elsewhere
(`clipal.failover.held_answer`).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import frozen

from clipal.dialects.dialect import Dialect, EventKind
from clipal.dialects.sse import Scanner
from clipal.wire.message import ResponseHead

_EVENTS: Final = 64
_BYTES: Final = 256 * 1024


class Verdict(Enum):
    """What is to be done with an answer that is being held."""

    HOLD = "hold"
    OPEN = "open"
    EMPTY = "empty"
    """It ended, whole, before it said anything."""
    ERROR = "error"
    """It says that the provider failed."""


@frozen
class Decision:
    """A verdict; for an ERROR, with the status and the body that it stands for."""

    verdict: Verdict
    status: int = 0
    body: bytes = b""


HOLD: Final = Decision(Verdict.HOLD)
OPEN: Final = Decision(Verdict.OPEN)
EMPTY: Final = Decision(Verdict.EMPTY)


def is_event_stream(head: ResponseHead) -> bool:
    """Whether the body is a stream of events that can be read as it is."""
    kind = head.table.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return kind == b"text/event-stream" and head.table.get(b"content-encoding", b"identity").lower() == b"identity"


class FirstByte:
    """Holds an answer until there is something of it. It has no state, so that one serves all answers."""

    def __init__(self, empty_is_whole: bool) -> None:
        self._empty_is_whole = empty_is_whole

    def feed(self, data: bytes) -> Decision:
        """A piece of the body came."""
        return OPEN

    def end(self) -> Decision:
        """The body is complete, and nothing of it came."""
        return OPEN if self._empty_is_whole else EMPTY


class FirstEvent:
    """Holds a stream until its first event that decides.

    Parameters:
        path: the request's, behind the client's prefix.
    """

    def __init__(self, dialect: Dialect, path: bytes) -> None:
        self._dialect = dialect
        self._path = path
        self._scanner = Scanner()
        self._events = 0
        self._bytes = 0

    def feed(self, data: bytes) -> Decision:
        """A piece of the body came."""
        self._bytes += len(data)
        for event in self._scanner.feed(data):
            self._events += 1
            meaning = self._dialect.meaning(event.event, event.data, self._path)
            if meaning.kind is EventKind.ERROR:
                return Decision(Verdict.ERROR, meaning.status, meaning.body)
            if meaning.kind is EventKind.END:
                return EMPTY
            if meaning.kind is not EventKind.PREAMBLE:
                return OPEN
            if self._events >= _EVENTS:
                return OPEN
        return OPEN if self._bytes >= _BYTES else HOLD

    def end(self) -> Decision:
        """The body is complete, and nothing in it was content."""
        return EMPTY


Gate = FirstByte | FirstEvent
