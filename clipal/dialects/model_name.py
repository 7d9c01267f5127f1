"""Where a request names its model: for most APIs the value of `"model"` at the top level of a JSON body.

The body is scanned, not parsed: of a body that begins with its model, as the clients send it, only the first bytes are
looked at closely. Strings and nested values are stepped over, so that the same word in a prompt, in a tool's schema or
in a key of another object is never taken for it.
"""

from __future__ import annotations

import json
import re
from typing import Final

from attrs import frozen

LONGEST_MODEL_NAME: Final = 256
"""Characters of a model's name: a longer text is taken for none, because names are matched with patterns."""

_BOM: Final = b"\xef\xbb\xbf"
_KEY: Final = re.compile(
    rb'"(?:m|\\u006[dD])(?:o|\\u006[fF])(?:d|\\u0064)(?:e|\\u0065)(?:l|\\u006[cC])"'  # any letter may be escaped
)
_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_COLON: Final = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_STRING: Final = re.compile(rb'"[^"]*"')
_WORD: Final = re.compile(rb"[^ \t\r\n\",:{}\[\]]+")
_FLAT: Final = re.compile(rb'[^"{}\[\]]*(?:"[^"]*"[^"{}\[\]]*){0,256}')
"""What stands between two brackets. The bound keeps the memory that the match takes small."""
_OPEN: Final = re.compile(rb"[{\[]+")
_CLOSE: Final = re.compile(rb"[}\]]+")
_TAIL: Final = 1024
_STEPS: Final = 500_000
"""Steps of the scan at most, about half a second: real bodies of 32 MiB take a tenth of them."""


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


def find_model_names(body: bytes) -> tuple[ModelName, ...]:
    """Each string that is a top-level `"model"`: in order, and more than one where the key is repeated.

    Raises:
        UnreadableBody: the body is no JSON object, as far as the scan has come.
    """
    return _Scan(body).names()


class _Scan:
    """One scan of one body.

    Escaped quotes and backslashes are blanked out in a copy first, which keeps every position. In the copy, a string
    ends at the next quote.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._text = body
        if b"\\" in body:
            self._text = body.replace(b"\\\\", b"\0\0").replace(b'\\"', b"\0\0")
        self._at = 0
        self._steps = _STEPS

    def names(self) -> tuple[ModelName, ...]:
        self._at = len(_BOM) if self._text.startswith(_BOM) else 0
        self._pass(_SPACE)
        if not self._text.startswith(b"{", self._at) or not self._text[-_TAIL:].rstrip().endswith(b"}"):
            raise UnreadableBody("is not a JSON object")
        self._at += 1
        last = max((match.start() for match in _KEY.finditer(self._text)), default=-1)
        found: list[ModelName] = []
        while self._at <= last:
            self._pass(_SPACE)
            if self._text.startswith(b"}", self._at):
                self._end()
                break
            self._member(found)
        return tuple(found)

    def _member(self, found: list[ModelName]) -> None:
        key = self._pass(_STRING)
        self._pass(_COLON)
        begin = self._at
        if _KEY.fullmatch(key) and self._text.startswith(b'"', begin):
            self._pass(_STRING)
            name = _text_of(self._body[begin : self._at]) if self._at - begin <= 6 * LONGEST_MODEL_NAME else ""
            if 0 < len(name) <= LONGEST_MODEL_NAME:
                found.append(ModelName(name, begin, self._at))
        else:
            self._value()
        self._pass(_SPACE)
        if self._text.startswith(b",", self._at):
            self._at += 1
        elif not self._text.startswith(b"}", self._at):
            raise UnreadableBody("is not valid JSON")

    def _value(self) -> None:
        if self._text.startswith((b"{", b"["), self._at):
            self._nested()
        else:
            self._pass(_STRING if self._text.startswith(b'"', self._at) else _WORD)

    def _nested(self) -> None:
        """An object or an array, to its end."""
        depth = len(self._pass(_OPEN))
        while depth:
            flat = self._pass(_FLAT)
            if opened := _OPEN.match(self._text, self._at):
                depth += len(opened[0])
                self._at = opened.end()
            elif closed := _CLOSE.match(self._text, self._at):
                closing = min(len(closed[0]), depth)
                depth -= closing
                self._at += closing
            elif not flat:
                raise UnreadableBody("is not valid JSON")

    def _end(self) -> None:
        """The object has ended: only white space may follow."""
        self._at += 1
        self._pass(_SPACE)
        if self._at != len(self._text):
            raise UnreadableBody("is not valid JSON")

    def _pass(self, pattern: re.Pattern[bytes]) -> bytes:
        self._steps -= 1
        match = pattern.match(self._text, self._at)
        if match is None:
            raise UnreadableBody("is not valid JSON")
        if self._steps < 0:
            raise UnreadableBody("has too many parts")
        self._at = match.end()
        return match[0]


def _text_of(literal: bytes) -> str:
    try:
        text: str = json.loads(literal)
    except ValueError:
        raise UnreadableBody("is not valid JSON") from None
    return text
