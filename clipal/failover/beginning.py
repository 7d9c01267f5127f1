"""Judges an answer by the beginning of its body: whether it is events, JSON, or a page.

A compressed body is decoded piece by piece until there is a decision. The client gets the body as it came.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from clipal.dialects.dialect import Dialect
from clipal.failover.gate import EMPTY, HOLD, OPEN, PAGE, Decision, FirstEvent, Gate
from clipal.failover.json_answer import JSONAnswer
from clipal.wire.coding import BrokenCoding, decoder
from clipal.wire.message import ResponseHead

_BYTES: Final = 256 * 1024
"""Bytes of a body that are held at most; both the bytes that came and the decoded ones count."""
_BLANK: Final = b" \t\r\n"
_BOM: Final = b"\xef\xbb\xbf"
_EVENT_FIELDS: Final = (b":", b"data:", b"event:", b"id:", b"retry:")
_PAGES: Final = (b"<!doctype html", b"<html")
_LONGEST: Final = max(map(len, _PAGES))


class MediaType(Enum):
    """What the Content-Type says of a body, as far as that decides how it is judged."""

    EVENTS = "events"
    JSON = "json"
    PAGE = "page"
    ANYTHING = "anything"
    """Plain text, or no Content-Type: the first bytes decide."""
    OTHER = "other"
    """A body that is not looked into."""


_MEDIA_TYPES: Final = {
    b"text/event-stream": MediaType.EVENTS,
    b"application/json": MediaType.JSON,
    b"text/json": MediaType.JSON,
    b"text/html": MediaType.PAGE,
    b"application/xhtml+xml": MediaType.PAGE,
    b"text/plain": MediaType.ANYTHING,
    b"": MediaType.ANYTHING,
}


def media_type(head: ResponseHead) -> MediaType:
    """The media type that an answer's head names."""
    name = head.table.get(b"content-type", b"").partition(b";")[0].strip().lower()
    known = _MEDIA_TYPES.get(name)
    if known is not None:
        return known
    return MediaType.JSON if name.endswith(b"+json") else MediaType.OTHER


class Beginning:
    """Holds an answer until its first bytes, and then its first event or its JSON, decide.

    Parameters:
        path: the request's, behind the client's prefix.
        kind: what the answer's head says of the body. The first bytes of the body decide.
        coding: the answer's Content-Encoding.
        asks_for_stream: tells whether the request asks for a stream; called only where a body looks like events and its
            head says something else.
        events: False to open at a stream of events at once.
    """

    def __init__(
        self,
        dialect: Dialect,
        path: bytes,
        kind: MediaType,
        coding: bytes,
        asks_for_stream: Callable[[], bool],
        *,
        events: bool = True,
    ) -> None:
        self._dialect = dialect
        self._path = path
        self._kind = kind
        self._asks_for_stream = asks_for_stream
        self._events = events
        self._decoder = decoder(coding)
        self._came = 0
        self._decoded = 0
        self._text = b""
        self._gate: Gate | None = None

    def feed(self, data: bytes) -> Decision:
        """See Gate."""
        self._came += len(data)
        try:
            text = b"" if self._decoder is None else self._decoder.feed(data, _BYTES - self._decoded)
        except BrokenCoding:
            self._decoder = None
        if self._decoder is None:
            return PAGE if self._kind is MediaType.PAGE else OPEN
        self._decoded += len(text)
        decision = self._look(text) if text else HOLD
        return OPEN if decision is HOLD and max(self._came, self._decoded) >= _BYTES else decision

    @property
    def progress(self) -> int:
        """See Gate. Leading blanks are no progress: some providers send them to keep a client waiting."""
        return len(self._text) if self._gate is None else _BYTES + self._gate.progress

    def end(self) -> Decision:
        """See Gate."""
        if self._gate is not None:
            return self._gate.end()
        if self._kind is MediaType.ANYTHING:  # blanks may be an answer in plain text
            return OPEN if self._came else EMPTY
        return OPEN if self._text and self._kind is not MediaType.EVENTS else EMPTY

    def _look(self, text: bytes) -> Decision:
        if self._gate is None:
            text = self._text = (self._text + text).lstrip(_BLANK).removeprefix(_BOM).lstrip(_BLANK)
            chosen = self._choose(text)
            if isinstance(chosen, Decision):
                return chosen
            self._gate = chosen
            self._text = b""
        return self._gate.feed(text)

    def _choose(self, text: bytes) -> Gate | Decision:
        if text.startswith((b"{", b"[")):
            return JSONAnswer(self._dialect)
        if text.startswith(_EVENT_FIELDS):
            return self._choose_for_events()
        beginning = text[:_LONGEST].lower()
        if beginning.startswith(_PAGES):
            return PAGE
        if _may_become(text, (*_EVENT_FIELDS, _BOM)) or _may_become(beginning, _PAGES):
            return HOLD
        return PAGE if self._kind is MediaType.PAGE else OPEN

    def _choose_for_events(self) -> Gate | Decision:
        if self._kind is not MediaType.EVENTS and not self._asks_for_stream():
            return PAGE if self._kind is MediaType.PAGE else OPEN
        return FirstEvent(self._dialect, self._path) if self._events else OPEN


def _may_become(text: bytes, beginnings: tuple[bytes, ...]) -> bool:
    return any(each.startswith(text) for each in beginnings)
