"""Where each value of a JSON text stands: a scanner that is strict (RFC 8259), but for comments if they are allowed.

No kept library edits JSON with comments in place; this gives `clipal.connect.formats.json_text` what it needs to do so.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, Final

from attrs import evolve, field, frozen

from clipal.connect.formats.syntax import UnreadableFile, line_of

DEEPEST_JSON: Final = 64

STRING: Final = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
COMMENT: Final = r"//[^\r\n]*|/\*(?s:.*?)\*/"

_SCALAR: Final = re.compile(STRING + r"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true\b|false\b|null\b")
_NAME: Final = re.compile(STRING)
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_TRIVIA: Final = re.compile(rf"(?:[ \t\r\n]+|{COMMENT})*")


@frozen
class JSONMember:
    """One name and its value; `comma` is where the comma behind it stands, if there is one."""

    name: str
    start: int
    node: JSONNode
    comma: int | None = None


@frozen
class JSONNode:
    """A value from `start` to `end`; `members` only of an object."""

    start: int
    end: int
    value: Any = field(repr=False)
    members: tuple[JSONMember, ...] = ()


@lru_cache(maxsize=2)
def scanned(text: str, *, comments: bool) -> JSONNode:
    """The object that `text` is; not to be changed, because the next caller gets the same one.

    Raises:
        UnreadableFile: it is not JSON, is no object, or nests deeper than DEEPEST_JSON.
    """
    return _Scanner(text, _TRIVIA if comments else _SPACE).document()


class _Scanner:
    """Reads a text once, from its start to its end."""

    def __init__(self, text: str, trivia: re.Pattern[str]) -> None:
        self._text = text
        self._trivia = trivia
        self._at = 0

    def document(self) -> JSONNode:
        self._skip()
        node = self._value(0)
        self._skip()
        if self._at != len(self._text):
            raise self._broken()
        if not isinstance(node.value, dict):
            raise UnreadableFile(line_of(self._text, node.start), "must be an object in braces")
        return node

    def _value(self, depth: int) -> JSONNode:
        if depth > DEEPEST_JSON:
            raise UnreadableFile(line_of(self._text, self._at), "nested too deep")
        start = self._at
        if self._takes("{"):
            return self._object(start, depth)
        if self._takes("["):
            return self._array(start, depth)
        return JSONNode(start, *self._scalar(_SCALAR))

    def _object(self, start: int, depth: int) -> JSONNode:
        members: list[JSONMember] = []
        self._skip()
        while not self._takes("}"):
            at = self._at
            name = self._scalar(_NAME)[1]
            self._skip()
            self._demand(":")
            self._skip()
            members.append(JSONMember(name, at, self._value(depth + 1)))
            if (comma := self._separated("}")) is not None:
                members[-1] = evolve(members[-1], comma=comma)
        return JSONNode(start, self._at, {each.name: each.node.value for each in members}, tuple(members))

    def _array(self, start: int, depth: int) -> JSONNode:
        values: list[Any] = []
        self._skip()
        while not self._takes("]"):
            values.append(self._value(depth + 1).value)
            self._separated("]")
        return JSONNode(start, self._at, values)

    def _separated(self, closing: str) -> int | None:
        """Goes on to the next item, or to the bracket: where the comma between was."""
        self._skip()
        comma = self._at
        if not self._takes(","):
            if not self._text.startswith(closing, self._at):
                raise self._broken()
            return None
        self._skip()
        if self._text.startswith(closing, self._at):
            raise UnreadableFile(line_of(self._text, comma), "not valid JSON: a comma before the closing bracket")
        return comma

    def _scalar(self, pattern: re.Pattern[str]) -> tuple[int, Any]:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise self._broken()
        self._at = match.end()
        return self._at, json.loads(match[0], parse_int=float)  # an integer may have more digits than int() takes

    def _skip(self) -> None:
        match = self._trivia.match(self._text, self._at)
        assert match is not None
        self._at = match.end()

    def _takes(self, character: str) -> bool:
        if not self._text.startswith(character, self._at):
            return False
        self._at += 1
        return True

    def _demand(self, character: str) -> None:
        if not self._takes(character):
            raise self._broken()

    def _broken(self) -> UnreadableFile:
        line = line_of(self._text, self._at)
        if self._trivia is _SPACE and self._text.startswith(("//", "/*"), self._at):
            return UnreadableFile(line, "not valid JSON: a comment, for which the client ignores the whole file")
        return UnreadableFile(line, "not valid JSON")
