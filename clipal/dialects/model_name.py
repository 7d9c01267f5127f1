"""Where a request names its model: for most APIs the value of `"model"` at the top level of a JSON body.

The body is scanned, not parsed: of a body that begins with its model, as the clients send it, only the first bytes are
looked at closely. Strings and nested values are stepped over, so that the same word in a prompt, in a tool's schema or
in a key of another object is never taken for it.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Generator
from typing import Final, TypeAlias

from attrs import frozen

LONGEST_MODEL_NAME: Final = 256
"""Characters of a model's name: a longer text is taken for none, because names are matched with patterns."""

_KEY: Final = re.compile(
    rb'"(?:m|\\u006[dD])(?:o|\\u006[fF])(?:d|\\u0064)(?:e|\\u0065)(?:l|\\u006[cC])"'  # any letter may be escaped
)
# Each match is bounded, so that none takes long; what is longer than any sensible blank or number is no JSON.
_SPACE: Final = re.compile(rb"[ \t\r\n]{0,65535}")
_COLON: Final = re.compile(rb"[ \t\r\n]{0,1024}:[ \t\r\n]{0,1024}")
_WORD: Final = re.compile(rb"[^ \t\r\n\",:{}\[\]]{1,8192}")
_FLAT: Final = re.compile(rb'[^"{}\[\]]{0,16384}(?:"[^"]{0,16384}"[^"{}\[\]]{0,16384}){0,64}')
"""What stands between two brackets, or a part of it."""
_OPEN: Final = re.compile(rb"[{\[]{1,65535}")
_CLOSE: Final = re.compile(rb"[}\]]{1,65535}")
_TAIL: Final = 1024
_STEPS: Final = 500_000
"""Steps of the scan at most, about half a second: real bodies of 32 MiB take a tenth of them."""
_SLICE: Final = 1024 * 1024
"""Bytes that are searched between two pauses of a scan."""
_STEPS_AT_ONCE: Final = 2_000
"""Steps of the scan between two pauses."""
_LONGEST_KEY: Final = len('"model"') * 6


class UnreadableBody(Exception):
    """Why the model of a request cannot be found: the text is for the log."""


@frozen
class ModelName:
    """A model's name, and where it stands in what it was found in: from `begin` up to `end`, quotes included."""

    name: str
    begin: int
    end: int


@frozen
class RequestedModel:
    """The model that a request names.

    Attributes:
        name: as the client calls it.
        places: where it stands. A body that repeats the key has several; `name` is the last one, as parsers have it.
        in_path: whether it stands in the path, percent-encoded, and not in the body.
    """

    name: str
    places: tuple[ModelName, ...]
    in_path: bool = False


Search: TypeAlias = Generator[None, None, tuple[ModelName, ...]]


def find_model_names(body: bytes) -> tuple[ModelName, ...]:
    """Each string that is a top-level `"model"`: in order, and more than one where the key is repeated.

    Raises:
        UnreadableBody: the body is no JSON object, as far as the scan has come.
    """
    search = search_model_names(body)
    while True:
        try:
            next(search)
        except StopIteration as end:
            names: tuple[ModelName, ...] = end.value
            return names


def search_model_names(body: bytes) -> Search:
    """The same in pieces: yields often, because a body may be large, or written to take long."""
    return _Scan(body).names()


class _Scan:
    """One scan of one body.

    Escaped quotes and backslashes are blanked out in a copy first, which keeps every position. In the copy, a string
    ends at the next quote.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._text = body
        self._at = 0
        self._steps = _STEPS
        self._paused = (0, _STEPS)

    def names(self) -> Search:
        if b"\\" in self._body:
            self._text = yield from _without_escapes(self._body)
        self._at = len(BOM_UTF8) if self._text.startswith(BOM_UTF8) else 0
        self._pass(_SPACE)
        if not self._text.startswith(b"{", self._at) or not self._text[-_TAIL:].rstrip().endswith(b"}"):
            raise UnreadableBody("is not a JSON object")
        self._at += 1
        last = yield from self._last_key()
        found: list[ModelName] = []
        while self._at <= last:
            self._pass(_SPACE)
            if self._text.startswith(b"}", self._at):
                self._end()
                break
            yield from self._member(found)
        return tuple(found)

    def _last_key(self) -> Generator[None, None, int]:
        """Where the last key of that name begins, at whatever depth; -1 where there is none."""
        for begin in range(len(self._text) // _SLICE * _SLICE, -1, -_SLICE):
            found = -1
            for match in _KEY.finditer(self._text, begin, begin + _SLICE + _LONGEST_KEY):
                found = match.start()
            if found >= 0:
                return found
            yield
        return -1

    def _member(self, found: list[ModelName]) -> Generator[None, None, None]:
        begin = self._at
        self._string()
        key = self._text[begin : min(self._at, begin + _LONGEST_KEY)]
        self._pass(_COLON)
        begin = self._at
        if _KEY.fullmatch(key) and self._text.startswith(b'"', begin):
            self._string()
            name = _text_of(self._body[begin : self._at]) if self._at - begin <= 6 * LONGEST_MODEL_NAME else ""
            if 0 < len(name) <= LONGEST_MODEL_NAME:
                found.append(ModelName(name, begin, self._at))
        else:
            yield from self._value()
        self._pass(_SPACE)
        if self._is_long():
            yield
        if self._text.startswith(b",", self._at):
            self._at += 1
        elif not self._text.startswith(b"}", self._at):
            raise UnreadableBody("is not valid JSON")

    def _value(self) -> Generator[None, None, None]:
        if self._text.startswith((b"{", b"["), self._at):
            yield from self._nested()
        elif self._text.startswith(b'"', self._at):
            self._string()
        else:
            self._pass(_WORD)

    def _nested(self) -> Generator[None, None, None]:
        """An object or an array, to its end."""
        depth = len(self._pass(_OPEN))
        while depth:
            if self._is_long():
                yield
            flat = self._pass(_FLAT)
            if opened := _OPEN.match(self._text, self._at):
                depth += len(opened[0])
                self._at = opened.end()
            elif closed := _CLOSE.match(self._text, self._at):
                closing = min(len(closed[0]), depth)
                depth -= closing
                self._at += closing
            elif self._text.startswith(b'"', self._at):
                self._string()
            elif not flat:
                raise UnreadableBody("is not valid JSON")

    def _end(self) -> None:
        """The object has ended: only white space may follow."""
        self._at += 1
        self._pass(_SPACE)
        if self._at != len(self._text):
            raise UnreadableBody("is not valid JSON")

    def _string(self) -> None:
        end = self._text.find(b'"', self._at + 1)
        if end < 0 or not self._text.startswith(b'"', self._at):
            raise UnreadableBody("is not valid JSON")
        self._steps -= 1
        self._at = end + 1

    def _is_long(self) -> bool:
        """Whether it is time for a pause."""
        at, steps = self._paused
        if self._at - at < _SLICE and steps - self._steps < _STEPS_AT_ONCE:
            return False
        self._paused = (self._at, self._steps)
        return True

    def _pass(self, pattern: re.Pattern[bytes]) -> bytes:
        self._steps -= 1
        match = pattern.match(self._text, self._at)
        if match is None:
            raise UnreadableBody("is not valid JSON")
        if self._steps < 0:
            raise UnreadableBody("has too many parts")
        self._at = match.end()
        return match[0]


def _without_escapes(body: bytes) -> Generator[None, None, bytes]:
    """`body` with two other bytes for each escaped backslash and quote."""
    parts: list[bytes] = []
    begin = 0
    while begin < len(body):
        part = body[begin : begin + _SLICE]
        if (len(part) - len(part.rstrip(b"\\"))) % 2:  # it ends within an escape
            part = body[begin : begin + _SLICE + 1]
        begin += len(part)
        parts.append(part.replace(b"\\\\", b"\0\0").replace(b'\\"', b"\0\0"))
        yield
    return b"".join(parts)


def _text_of(literal: bytes) -> str:
    try:
        text: str = json.loads(literal)
    except ValueError:
        raise UnreadableBody("is not valid JSON") from None
    return text
