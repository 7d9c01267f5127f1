"""Edits of TOML in place.

tomlkit reads, and writes a new value into a statement. It would add a key behind the comment that belongs to the next
table, take a table out with the comments behind it, and move tables about; so whole lines are added and taken out as
text, by a scanner that knows where each statement ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import tomlkit
from attrs import frozen
from tomlkit.exceptions import ParseError, TOMLKitError

from clipal.connect.formats.syntax import (
    Path,
    Place,
    Syntax,
    Tree,
    Unreadable,
    line_ending,
    with_lines,
    without_lines,
)

_BASIC: Final = r'"(?:\\.|[^"\\\n])*"'
_LITERAL: Final = r"'[^'\n]*'"
_TEXT: Final = rf'"""(?s:\\.|(?!""").)*"""(?:"{{0,2}})|\'\'\'(?s:(?!\'\'\').)*\'\'\'(?:\'{{0,2}})|{_BASIC}|{_LITERAL}'
_TOKEN: Final = re.compile(rf"{_TEXT}|\#[^\n]*|[\[{{]|[\]}}]|\n")
_KEY: Final = re.compile(rf"[ \t]*((?:{_BASIC}|{_LITERAL}|[^=\"'])*?)[ \t]*=")
_SHOWN: Final = re.compile(rf"(?P<text>{_TEXT})(?P<equals>[ \t]*=)?|(?P<comment>\#[^\r\n]*)")
_DIRECTIVES: Final = re.compile(r"(?:#:[^\n]*(?:\n|\Z))*")


@frozen
class Statement:
    """A header or a key with its value, as whole lines; `path` is that of the table or of the value."""

    place: Place
    path: Path
    section: Path
    header: bool


class TomlText(Syntax):
    """TOML 1.0."""

    name = "toml"
    blank = ""

    def read(self, text: str) -> Tree:
        return _parsed(text).unwrap()

    def raw(self, text: str, path: Path) -> str | None:
        found: Any = _parsed(text)
        for key in path:
            if key not in found:
                return None
            found = found[key]
        raw: str = tomlkit.item(found).as_string()
        return raw

    def literal(self, value: str) -> str:
        return json.dumps(value)

    def replace(self, text: str, path: Path, raw: str) -> str:
        statement = next(each for each in _statements(text) if not each.header and each.path == path[: len(each.path)])
        start, end = statement.place.start, statement.place.end
        return text[:start] + _with_value(text[start:end], path[len(statement.section) :], raw) + text[end:]

    def insert(self, text: str, path: Path, value: str) -> str:
        parent = path[:-1]
        above = _above(text, parent)
        if above is not None:
            table = above.path if above.header else above.section
            return _behind(text, above.place, f"{'.'.join(path[len(table) :])} = {self.literal(value)}")
        line = f"{path[-1]} = {self.literal(value)}"
        if parent:
            gap = [""] if text else []
            return with_lines(text, [*gap, f"[{'.'.join(parent)}]", line])
        return _on_top(text, line)

    def made(self, text: str, path: Path) -> tuple[Path, ...]:
        parent = path[:-1]
        return (parent,) if parent and _above(text, parent) is None else ()

    def remove(self, text: str, path: Path) -> str:
        for each in _statements(text):
            if each.path == path and not each.header:
                return without_lines(text, each.place)
        raise Unreadable(None, f"{'.'.join(path)} stands in a table on one line, and cannot be taken out alone")

    def remove_empty(self, text: str, path: Path) -> str:
        statements = list(_statements(text))
        header = next((each for each in statements if each.header and each.path == path), None)
        if header is None or any(each.section == path and not each.header for each in statements):
            return text
        head = text[: header.place.start]
        gap = re.search(r"(?:(?<=\n)|\A)\r?\n\Z", head)  # the one that came with it
        start = gap.start() if gap else header.place.start
        return without_lines(text, Place(start, header.place.end))

    def masked(self, text: str, plain: frozenset[str]) -> str:
        def shown(match: re.Match[str]) -> str:
            if match["comment"]:
                return "# ..."
            return match[0] if match["equals"] or match["text"] in plain else '"..."'

        return _SHOWN.sub(shown, text)


def _parsed(text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except ParseError as error:
        raise Unreadable(error.line, "not valid TOML") from None
    except (TOMLKitError, ValueError, RecursionError):
        raise Unreadable(None, "not valid TOML") from None


def _statements(text: str) -> Iterator[Statement]:
    """The statements of a text that is valid; blank lines and comments are none."""
    section: Path = ()
    for place in _logical_lines(text):
        line = text[place.start : place.end]
        if not (stripped := line.strip()) or stripped.startswith("#"):
            continue
        header = stripped.startswith("[")
        path = _path(tomlkit.parse(line).unwrap()) if header else section + _key_path(line)
        section = path if header else section
        yield Statement(place, path, section, header)


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


def _key_path(line: str) -> Path:
    match = _KEY.match(line)
    assert match is not None
    return _path(tomlkit.parse(match[1] + " = 0").unwrap())


def _path(tree: Any) -> Path:
    """The keys of a tree that is one branch."""
    path: Path = ()
    while isinstance(tree, dict) and tree:
        ((key, tree),) = tree.items()
        path += (key,)
    return path


def _above(text: str, table: Path) -> Statement | None:
    """What a value in `table` can stand behind: the last key that sets one there, else its header, if there is one.

    A key of a table further out does too, when it sets a value in `table` by a name with dots.
    """
    statements = list(_statements(text))
    keys = [each for each in statements if not each.header and _sets(each, table)]
    headers = [each for each in statements if each.header and each.path == table]
    return (headers + keys)[-1] if headers or keys else None


def _sets(statement: Statement, table: Path) -> bool:
    inside = statement.path[: len(table)] == table and len(statement.path) > len(table)
    return inside and len(statement.section) <= len(table)


def _with_value(line: str, path: Path, raw: str) -> str:
    """One statement with another value; tomlkit would put the tables of a whole document into an order of its own."""
    document = tomlkit.parse(line)
    table: Any = document
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = tomlkit.value(raw)
    return tomlkit.dumps(document)


def _behind(text: str, place: Place, line: str) -> str:
    """`text` with `line` behind the one at `place`, and indented as that is."""
    above = text[place.start : place.end]
    line = above[: len(above) - len(above.lstrip(" \t"))] + line
    if not above.endswith("\n"):
        return with_lines(text, [line])
    return text[: place.end] + line + line_ending(text) + text[place.end :]


def _on_top(text: str, line: str) -> str:
    """`text` with `line` before all tables: at its top, but behind directives (`#:schema …`), which must be first."""
    match = _DIRECTIVES.match(text)
    assert match is not None
    if match.end() == len(text):
        return with_lines(text, [line])
    return text[: match.end()] + line + line_ending(text) + text[match.end() :]
