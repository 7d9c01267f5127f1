"""The tokens that an answer says it cost, found at its ends: no stream is parsed for them.

An API writes its counts as an object behind one key, near the end of a JSON document: of the whole answer, or of one of
the last events of a stream. The key is looked for from the end. Quotes within a JSON string are escaped, so a text that
quotes the key is not taken for it; and what stands behind the object must close the document at the depth where the
API has it, so the same key within a tool's arguments is not either. Nothing is decompressed.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from attrs import define

from clipal.dialects.sse import EVENT_FIELDS

BEGINNING: Final = 2 * 1024
"""Bytes of an answer's beginning that are looked at; an API has its counts in the first event, or not there."""
TAIL: Final = 8 * 1024
"""Bytes of its end."""
LARGEST: Final = 100_000_000
"""Tokens of one answer at most; a larger number is none."""

_TRIES: Final = 16
"""Places of the key that are looked at, one after another."""
_SPACE: Final = rb"[ \t\r\n]{0,64}"
_BLANK_LINE: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_NEXT_LINE: Final = re.compile(rb"(?:\r\n|\n|\r)(?:data:[ ]?|(?:event|id|retry)?:[^\r\n]*)")
_OBJECTS: Final = ('{"":0', '{"":{"":0')
_BRACES: Final = ("}", "}}")
_DEEPEST: Final = len(_BRACES)
_DECODER: Final = json.JSONDecoder()

Usage: TypeAlias = Mapping[str, Any]


@define  # not frozen, because that doubles the cost of making one
class TokenCounts:
    """What one answer cost.

    Attributes:
        input: all of the input, what was read from a cache and what was written to one included.
        cached_input: what of it was read from a cache.
        output: with thinking.
    """

    input: int
    cached_input: int
    output: int

    @classmethod
    def of(cls, given: int, cached: int, output: int) -> TokenCounts:
        """As an API counts them; no more can come from a cache than there was."""
        return cls(given, min(cached, given), output)

    def plain(self) -> dict[str, int]:
        """For a log in JSON."""
        return {"input": self.input, "cached_input": self.cached_input, "output": self.output}

    def __str__(self) -> str:
        cached = f" ({self.cached_input} cached)" if self.cached_input else ""
        return f"{self.input} in{cached}, {self.output} out"


def count(usage: Usage, *names: str) -> int:
    """The first of `names` in `usage` that is a number of tokens; 0 where none is."""
    for name in names:
        value = usage.get(name)
        if value.__class__ is int and 0 <= value <= LARGEST:  # a bool is no number here
            return int(value)
    return 0


def part(usage: Usage, name: str) -> Usage:
    """The object in `usage` that is called `name`; empty where there is none."""
    value = usage.get(name)
    return value if isinstance(value, dict) else {}


def is_events(beginning: bytes) -> bool:
    """Whether an answer that begins so is a stream of events."""
    return beginning.removeprefix(BOM_UTF8).lstrip(b" \t\r\n").startswith(EVENT_FIELDS)


class UsageKey:
    """Finds the object behind one key.

    Parameters:
        name: of the key.
        known: the members of which the object must have one, with a number of tokens.
    """

    def __init__(self, name: str, *known: str) -> None:
        self._key = b'"%b"' % name.encode("ascii")
        self._value = re.compile(re.escape(self._key) + _SPACE + b":" + _SPACE + rb"(?=\{)")
        self._known = known

    def last(self, end: bytes, *, events: bool, depth: int = _DEEPEST) -> Usage | None:
        """The last one.

        Parameters:
            end: of the answer; its first byte may stand anywhere in it.
            events: whether the answer is a stream of events, each of which is a document.
            depth: of the objects around it at most.
        """
        at, found = len(end), None
        for _ in range(_TRIES):
            at = end.rfind(self._key, 0, at)
            if at < 0 or (found := self._at(end, at, events, depth)) is not None:
                break
        return found

    def first(self, beginning: bytes, *, events: bool) -> Usage | None:
        """The first one, at any depth; parameters as those of `last`."""
        at, found = -1, None
        for _ in range(_TRIES):
            at = beginning.find(self._key, at + 1)
            if at < 0 or (found := self._at(beginning, at, events, _DEEPEST)) is not None:
                break
        return found

    def _at(self, text: bytes, at: int, events: bool, depth: int) -> Usage | None:
        match = self._value.match(text, at)
        if match is None or text[at - 1 : at] == b"\\":
            return None
        rest = text[match.end() :]
        if events:
            blank = _BLANK_LINE.search(rest)
            rest = _NEXT_LINE.sub(_joined, rest if blank is None else rest[: blank.start()])
        document = rest.decode("utf-8", "replace")
        try:
            usage, ends = _DECODER.raw_decode(document)
        except (ValueError, RecursionError):
            return None
        if not any(map(_is_count, map(usage.get, self._known))):
            return None
        return usage if _closes(document[ends:], depth) else None


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _joined(end_of_line: re.Match[bytes]) -> bytes:
    """The next line of an event's data continues the document; its other fields do not belong to it."""
    return b"\n" if b"data:" in end_of_line[0][:7] else b""


def _closes(rest: str, depth: int) -> bool:
    """Whether `rest` is what remains of a document behind a value in at most `depth` objects, and perhaps a list."""
    if rest.strip(" \t\r\n") in _BRACES[:depth]:  # so nearly always
        return True
    return any(_is_json(before + objects + rest) for objects in _OBJECTS[:depth] for before in ("", "["))


def _is_json(document: str) -> bool:
    try:
        json.loads(document)
    except (ValueError, RecursionError):
        return False
    return True
