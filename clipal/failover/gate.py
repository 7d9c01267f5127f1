"""Decides when an answer is committed: at its first content, not at its head.

A gate is fed the body of one answer and decides for how long the body must be held: until the first byte, or, for a
stream of server-sent events, until the first event that is content. An error event before that event decides the
outcome as a status does, and so does the end of the body. A gate opens at bytes that it does not understand.

Gates are pure: bytes in, decisions out. `clipal.failover.held_answer` holds the body. `clipal.failover.beginning`
chooses the gate for an answer, and bounds the bytes that are held.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import ClassVar, Final, ParamSpec, Protocol, TypeAlias

from attrs import frozen
from twisted.logger import Logger

from clipal.dialects.dialect import Dialect, EventKind
from clipal.dialects.sse import Scanner
from clipal.outcomes.error_body import ErrorBody

_EVENTS: Final = 64
"""Events of a preamble after which a stream is no longer held."""


class Verdict(Enum):
    """What is to be done with an answer that is being held."""

    HOLD = "hold"
    OPEN = "open"
    EMPTY = "empty"
    """It has ended whole, without content."""
    PAGE = "page"
    """It is HTML in place of an answer of the API."""


HOLD: Final = Verdict.HOLD
OPEN: Final = Verdict.OPEN
EMPTY: Final = Verdict.EMPTY
PAGE: Final = Verdict.PAGE

Decision: TypeAlias = Verdict | ErrorBody
"""A verdict, or the error that came in place of an answer."""


class Gate(Protocol):
    """Judges one answer's body."""

    @property
    def progress(self) -> int:
        """A number that grows while the gate holds, with each piece that is more than a sign of life."""

    def feed(self, data: bytes) -> Decision:
        """Takes a piece of the body. After any decision but HOLD, nothing more is fed."""

    def end(self) -> Decision:
        """The body is complete, and no decision was made before."""


_P = ParamSpec("_P")
_log = Logger()


def judged(judge: Callable[_P, Decision], *args: _P.args, **kwargs: _P.kwargs) -> Decision:
    """The decision of a gate's method `judge`. If that has a bug, the gate opens: the client gets its answer."""
    try:
        return judge(*args, **kwargs)
    except Exception:
        return opened_by_bug()


def opened_by_bug() -> Decision:
    """Logs the exception that a gate has raised, and opens in its place."""
    _log.failure("The gate failed, so it opens")
    return OPEN


@frozen
class FirstByte:
    """Holds an answer until its first byte. It has no state, so one gate serves all answers.

    Attributes:
        empty_is_whole: whether an answer may have an empty body.
    """

    empty_is_whole: bool
    progress: ClassVar[int] = 0

    def feed(self, data: bytes) -> Decision:
        """See Gate."""
        return OPEN

    def end(self) -> Decision:
        """See Gate."""
        return OPEN if self.empty_is_whole else EMPTY


class Bytes:
    """Holds an answer until `enough` bytes of it have come.

    Attributes:
        progress: the bytes that have come.
    """

    def __init__(self, enough: int) -> None:
        self._enough = enough
        self.progress = 0

    def feed(self, data: bytes) -> Decision:
        """See Gate."""
        self.progress += len(data)
        return HOLD if self.progress < self._enough else OPEN

    def end(self) -> Decision:
        """See Gate."""
        return OPEN


class FirstEvent:
    """Holds a stream until its first event that is content, an error or the end.

    Parameters:
        path: the request's, behind the client's prefix.

    Attributes:
        progress: how many events came that are no pings.
    """

    def __init__(self, dialect: Dialect, path: bytes) -> None:
        self._dialect = dialect
        self._path = path
        self._scanner = Scanner()
        self._events = 0
        self.progress = 0

    def feed(self, data: bytes) -> Decision:
        """See Gate."""
        for event in self._scanner.feed(data):
            self._events += 1
            meaning = self._dialect.meaning(event.event, event.data, self._path)
            if meaning.kind is EventKind.ERROR:
                return ErrorBody.of({"error": meaning.error})
            if meaning.kind is EventKind.END:
                return EMPTY
            if meaning.kind is not EventKind.PREAMBLE:
                return OPEN
            self.progress += not meaning.ping
            if self._events >= _EVENTS:
                return OPEN
        return HOLD

    def end(self) -> Decision:
        """See Gate. No event was content."""
        return EMPTY
