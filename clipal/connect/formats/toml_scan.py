"""Where each value of a TOML text stands: the statements, and the members of tables on one line.

For texts that a parser has found valid. No kept library edits TOML in place and leaves all else as it is; this gives
`clipal.connect.formats.toml_text` what it needs to do so.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from attrs import frozen

from clipal.connect.formats.syntax import Path, Place

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_BASIC: Final = r'"(?:\\.|[^"\\\n])*"'
_LITERAL: Final = r"'[^'\n]*'"
TEXT: Final = rf'"""(?s:\\.|(?!""").)*"""(?:"{{0,2}})|\'\'\'(?s:(?!\'\'\').)*\'\'\'(?:\'{{0,2}})|{_BASIC}|{_LITERAL}'
_TOKEN: Final = re.compile(rf"{TEXT}|(?P<comment>\#[^\n]*)|[\[{{]|[\]}}]|\n|,")
_KEY: Final = re.compile(rf"\s*((?:{_BASIC}|{_LITERAL}|[^=\"'])*?)[ \t]*=[ \t]*")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")


@frozen
class Statement:
    """A header or a key with its value.

    Attributes:
        place: whole lines; of a member of a table on one line, its key and its value.
        path: that of the table or of the value.
        section: the table that the key is in.
        value: the characters of the value; None for a header.
        before: for a member, the end of the member before it, or of the opening brace; None for what has lines.
    """

    place: Place
    path: Path
    section: Path
    value: Place | None = None
    before: int | None = None

    @property
    def header(self) -> bool:
        """Whether it begins a table."""
        return self.value is None


@lru_cache(maxsize=2)
def statements(text: str) -> tuple[Statement, ...]:
    """The statements that have lines of their own, in order; blank lines and comments are none."""
    found: list[Statement] = []
    section: Path = ()
    for place in _logical_lines(text):
        line = text[place.start : place.end].strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = _header_path(line)
            found.append(Statement(place, section, section))
        else:
            found.append(_assignment(text, place, section))
    return tuple(found)


@lru_cache(maxsize=2)
def members(text: str, table: Statement) -> tuple[Statement, ...]:
    """The members of `table`, whose value is a table on one line."""
    assert table.value is not None
    found: list[Statement] = []
    end = table.value.start + 1
    for place in _pieces(text, Place(end, table.value.end - 1)):
        if text[place.start : place.end].strip():
            each = _assignment(text, place, table.path)
            assert each.value is not None
            found.append(Statement(place, each.path, table.path, each.value, end))
            end = each.value.end
    return tuple(found)


def is_inline(text: str, statement: Statement) -> bool:
    """Whether the value of `statement` is a table on one line."""
    return statement.value is not None and text.startswith("{", statement.value.start)


def _logical_lines(text: str) -> Iterator[Place]:
    """Lines, except that one goes on as long as a bracket or a text in it is open."""
    start = depth = 0
    for match in _TOKEN.finditer(text):
        piece = match[0]
        depth += (piece in "[{") - (piece in "]}")
        if piece == "\n" and depth == 0:
            yield Place(start, match.end())
            start = match.end()
    if start < len(text):
        yield Place(start, len(text))


def _pieces(text: str, place: Place) -> Iterator[Place]:
    """What stands between the commas of a table on one line."""
    start, depth = place.start, 0
    for match in _TOKEN.finditer(text, place.start, place.end):
        piece = match[0]
        depth += (piece in "[{") - (piece in "]}")
        if piece == "," and depth == 0:
            yield Place(start, match.start())
            start = match.end()
    yield Place(start, place.end)


def _assignment(text: str, place: Place, section: Path) -> Statement:
    key = _KEY.match(text, place.start, place.end)
    assert key is not None
    end = place.end
    for match in _TOKEN.finditer(text, key.end(), place.end):  # a comment is behind the value if nothing follows it
        if match[0] != "\n":
            end = match.start() if match["comment"] else place.end
    value = text[key.end() : end].rstrip()
    return Statement(place, section + _key_path(key[1]), section, Place(key.end(), key.end() + len(value)))


def _key_path(key: str) -> Path:
    if _BARE.fullmatch(key):
        return tuple(key.split("."))
    return _branch(tomllib.loads(key + " = 0"))


def _header_path(line: str) -> Path:
    return _branch(tomllib.loads(line))


def _branch(tree: Any) -> Path:
    """The keys of a tree that is one branch."""
    path: Path = ()
    while isinstance(tree, dict) and tree:
        ((key, tree),) = tree.items()
        path += (key,)
    return path
