"""Decides when an answer is committed: at its first content, not at its head.

A gate is told what comes of one answer's body and says for how long it must be held: until the first byte, or, for a
stream of server-sent events, until the first event that is content. An error event before that, or an end, is an
outcome like a status code. At whatever a gate does not understand, it opens. Gates are pure: bytes in, decisions out;
the body is held elsewhere (`clipal.failover.held_answer`). Their bounds in bytes are counted by
`clipal.failover.beginning`, which chooses the gate for an answer.
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


class Verdict(Enum):
    """What is to be done with an answer that is being held."""

    HOLD = "hold"
    OPEN = "open"
    EMPTY = "empty"
    """It ended, whole, before it said anything."""
    PAGE = "page"
    """It is HTML."""


HOLD: Final = Verdict.HOLD
OPEN: Final = Verdict.OPEN
EMPTY: Final = Verdict.EMPTY
PAGE: Final = Verdict.PAGE

Decision: TypeAlias = Verdict | ErrorBody
"""A verdict, or what an error says that came in the answer's place."""


class Gate(Protocol):
    """Judges one answer's body."""

    @property
    def progress(self) -> int:
        """Grows while it holds, with each piece that shows more than that the connection lives."""

    def feed(self, data: bytes) -> Decision:
        """A piece of the body came. Nothing more is fed once the decision is another one than HOLD."""

    def end(self) -> Decision:
        """The body is complete, and every piece of it was held."""


_P = ParamSpec("_P")
_log = Logger()


def judged(judge: Callable[_P, Decision], *args: _P.args, **kwargs: _P.kwargs) -> Decision:
    """What a gate's `judge` decides. A bug of ours in it opens the gate: the client has its answer all the same."""
    try:
        return judge(*args, **kwargs)
    except Exception:
        _log.failure("The gate failed, so it opens")
        return OPEN


@frozen
class FirstByte:
    """Holds an answer until there is something of it. It has no state, so that one serves all answers.

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
    """Holds an answer until so many bytes of it are there.

    Attributes:
        progress: the bytes that are.
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
    """Holds a stream until its first event that decides.

    Parameters:
        path: the request's, behind the client's prefix.

    Attributes:
        progress: the events that were no pings.
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
        """See Gate. Nothing in the stream was content."""
        return EMPTY
