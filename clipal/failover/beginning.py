"""Judges an answer by the beginning of its body: whether it is events, JSON, or a page.

A compressed body is decoded piece by piece until there is a decision. The client gets the body as it came.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from enum import Enum
from typing import Final

from clipal.config.settings import FirstEventMode
from clipal.dialects.dialect import Dialect
from clipal.dialects.sse import EVENT_FIELDS
from clipal.failover.gate import EMPTY, HOLD, OPEN, PAGE, Decision, FirstByte, FirstEvent, Gate
from clipal.failover.json_answer import JSONAnswer
from clipal.failover.terms import RequestTerms
from clipal.wire.coding import IDENTITY, BrokenCoding, decoder
from clipal.wire.message import ResponseHead

_BYTES: Final = 256 * 1024
"""Bytes of a body that are held at most; both the bytes that came and the decoded ones count."""
_ANY_ANSWER: Final = FirstByte(empty_is_whole=True)
_SOME_ANSWER: Final = FirstByte(empty_is_whole=False)
_BLANK: Final = b" \t\r\n"
_EVENTS_TO_COME: Final = (*EVENT_FIELDS, BOM_UTF8)
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
        coding: the answer's Content-Encoding; empty for none.
        streams: whether the request asks for a stream. Only then a body that looks like events is taken for events
            though its head says something else.
        events: False to open at a stream of events at once.
    """

    # Defaults of the class: most answers are judged by their first read
    _came = 0
    _decoded = 0
    _text = b""
    _gate: Gate | None = None

    def __init__(
        self, dialect: Dialect, path: bytes, kind: MediaType, coding: bytes, streams: bool, *, events: bool = True
    ) -> None:
        self._dialect = dialect
        self._path = path
        self._kind = kind
        self._streams = streams
        self._events = events
        self._decoder = decoder(coding) if coding else IDENTITY

    def feed(self, data: bytes) -> Decision:
        """See Gate."""
        self._came += len(data)
        text = data if self._decoder is IDENTITY else self._decode(data)
        if text is None:
            return self._not_understood()
        decision: Decision = HOLD
        if text:
            decision = self._choose(text) if self._gate is None else self._gate.feed(text)
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

    def _decode(self, data: bytes) -> bytes | None:
        """None where the body cannot be decoded."""
        if self._decoder is None:
            return None
        try:
            text = self._decoder.feed(data, _BYTES - self._decoded)
        except BrokenCoding:
            self._decoder = None
            return None
        self._decoded += len(text)
        return text

    def _choose(self, text: bytes) -> Decision:
        """Chooses a gate by the first bytes that are no blanks, as soon as there are enough of them."""
        text = self._text = (self._text + text).lstrip(_BLANK).removeprefix(BOM_UTF8).lstrip(_BLANK)
        if text.startswith((b"{", b"[")):
            self._gate = JSONAnswer(self._dialect)
        elif text.startswith(EVENT_FIELDS):
            if not (self._streams or self._kind is MediaType.EVENTS):
                return self._not_understood()
            if not self._events:
                return OPEN
            self._gate = FirstEvent(self._dialect, self._path)
        else:
            return self._without_gate(text)
        self._text = b""
        return self._gate.feed(text)

    def _without_gate(self, text: bytes) -> Decision:
        beginning = text[:_LONGEST].lower()
        if beginning.startswith(_PAGES):
            return PAGE
        if _may_become(text, _EVENTS_TO_COME) or _may_become(beginning, _PAGES):
            return HOLD
        return self._not_understood()

    def _not_understood(self) -> Decision:
        return PAGE if self._kind is MediaType.PAGE else OPEN


def _may_become(text: bytes, beginnings: tuple[bytes, ...]) -> bool:
    return any(each.startswith(text) for each in beginnings)


def gate_for(head: ResponseHead, terms: RequestTerms) -> Gate:
    """The gate that decides for how long an answer with this head is held."""
    route, request = terms.route, terms.request
    if not route.judge or head.status != 200:
        return _ANY_ANSWER
    kind = media_type(head)
    posted = request.head.method == b"POST"
    if kind is MediaType.OTHER or not (posted or kind is MediaType.EVENTS):
        return _SOME_ANSWER if posted else _ANY_ANSWER
    coding = head.table.get(b"content-encoding", b"")
    events = route.first_event is FirstEventMode.ON
    return Beginning(route.dialect, request.path, kind, coding, terms.streams, events=events)


def shadow_gate_for(head: ResponseHead, terms: RequestTerms) -> Gate | None:
    """The gate that would decide under `first_event: on`; None for an answer that may not be a stream."""
    route, kind = terms.route, media_type(head)
    if not route.judge or head.status != 200 or not (terms.streams or kind is MediaType.EVENTS):
        return None
    coding = head.table.get(b"content-encoding", b"")
    return Beginning(route.dialect, terms.request.path, kind, coding, True)
