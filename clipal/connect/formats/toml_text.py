"""Edits of TOML in place.

The standard library's parser reads and checks a text; `toml_scan` tells where its values stand. A library that writes
TOML would add a key behind the comment that belongs to the next table, take a table out with the comments behind it,
and move tables about; so lines, and members of tables on one line, are added and taken out as text.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Final

from clipal.connect.formats.syntax import (
    Path,
    Place,
    Syntax,
    Tree,
    UnreadableFile,
    line_ending,
    with_lines,
    without_lines,
)
from clipal.connect.formats.toml_scan import TEXT, Statement, is_inline, members, statements

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SHOWN: Final = re.compile(rf"(?P<text>{TEXT})(?P<equals>[ \t]*=)?|(?P<comment>\#[^\r\n]*)")
_DIRECTIVES: Final = re.compile(r"(?:#:[^\n]*(?:\n|\Z))*")
_LINE: Final = re.compile(r"\(at line ([0-9]+), column [0-9]+\)\Z")
_PROBLEMS: Final = {
    "Cannot declare": "a table that is defined twice",
    "Cannot overwrite": "a key that is set twice",
    "Cannot mutate immutable": "a table that is defined twice",
    "Duplicate inline table key": "a key that is set twice",
}
"""What the parser's messages begin with, and what we say; what follows in them may be a key."""


class TomlText(Syntax):
    """TOML 1.0."""

    name = "toml"
    blank = ""

    def read(self, text: str) -> Tree:
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise _unreadable(text, str(error)) from None
        except (ValueError, RecursionError):
            raise UnreadableFile(None, "holds a value that cannot be read") from None

    def raw(self, text: str, path: Path) -> str | None:
        found = _value(text, path)
        return None if found is None else text[found.start : found.end]

    def literal(self, value: str) -> str:
        return json.dumps(value)

    def replace(self, text: str, path: Path, raw: str) -> str:
        place = _value(text, path)
        assert place is not None
        return text[: place.start] + raw + text[place.end :]

    def insert(self, text: str, path: Path, value: str) -> str:
        parent = path[:-1]
        every = statements(text)
        above = _above(every, parent)
        if above is not None:
            table = above.path if above.header else above.section
            return _behind(text, above.place, f"{'.'.join(path[len(table) :])} = {self.literal(value)}")
        inline = _inline(text, every, parent)
        if inline is not None:
            return _with_member(text, inline, f"{'.'.join(path[len(inline.path) :])} = {self.literal(value)}")
        line = f"{path[-1]} = {self.literal(value)}"
        if parent:
            gap = [""] if text else []
            return with_lines(text, [*gap, f"[{'.'.join(parent)}]", line])
        return _on_top(text, line)

    def made(self, text: str, path: Path) -> tuple[Path, ...]:
        parent = path[:-1]
        every = statements(text)
        exists = _above(every, parent) is not None or _inline(text, every, parent) is not None
        return (parent,) if parent and not exists else ()

    def remove(self, text: str, path: Path) -> str:
        found = _find(text, path)
        assert found is not None
        return without_lines(text, found.place) if found.before is None else _without_member(text, found)

    def remove_empty(self, text: str, path: Path) -> str:
        every = statements(text)
        header = next((each for each in every if each.header and each.path == path), None)
        if header is None or any(each.section == path and not each.header for each in every):
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


def _unreadable(text: str, message: str) -> UnreadableFile:
    """A parser's error in our own words; at the end of the text, it names no line."""
    place = _LINE.search(message)
    line = int(place[1]) if place else text.count("\n", 0, len(text.rstrip())) + 1
    known = next((words for start, words in _PROBLEMS.items() if message.startswith(start)), None)
    return UnreadableFile(line, "not valid TOML" + (f": {known}" if known else ""))


def _find(text: str, path: Path) -> Statement | None:
    """What sets the value at `path`: a line, or a member of a table on one line."""
    every = statements(text)
    found = next((each for each in every if not each.header and each.path == path), None)
    if found is None and (table := _inline(text, every, path[:-1])) is not None:
        found = next((each for each in members(text, table) if each.path == path), None)
    return found


def _value(text: str, path: Path) -> Place | None:
    found = _find(text, path)
    return None if found is None else found.value


def _above(every: tuple[Statement, ...], table: Path) -> Statement | None:
    """What a value in `table` can stand behind: the last key that sets one there, else its header, if there is one.

    A key of a table further out does too, when it sets a value in `table` by a name with dots.
    """
    keys = [each for each in every if not each.header and _sets(each, table)]
    headers = [each for each in every if each.header and each.path == table]
    return (headers + keys)[-1] if headers or keys else None


def _sets(statement: Statement, table: Path) -> bool:
    inside = statement.path[: len(table)] == table and len(statement.path) > len(table)
    return inside and len(statement.section) <= len(table)


def _inline(text: str, every: tuple[Statement, ...], table: Path) -> Statement | None:
    """The innermost table on one line that `table` is, or must come into."""
    found = None
    while True:
        leading = [each for each in every if is_inline(text, each) and table[: len(each.path)] == each.path]
        if not leading:
            return found
        found = leading[0]
        every = members(text, found)


def _with_member(text: str, table: Statement, member: str) -> str:
    """`text` with `member` behind the others of `table`; alone, between the spaces that were there."""
    assert table.value is not None
    others = members(text, table)
    if others:
        last = others[-1].value
        assert last is not None
        return f"{text[: last.end]}, {member}{text[last.end :]}"
    start, end = table.value.start + 1, table.value.end - 1
    space = text[start:end]
    return text[:start] + space + member + space + text[end:]


def _without_member(text: str, member: Statement) -> str:
    """`text` without `member` and a comma that it needed."""
    assert member.before is not None
    assert member.value is not None
    rest = text[member.value.end :]
    if member.place.start != member.before:  # not the first one
        return text[: member.before] + rest
    later = re.match(r"\s*,\s*", rest)
    space = text[member.before : member.value.start]
    space = space[: len(space) - len(space.lstrip())]
    if later:
        return text[: member.before] + space + rest[later.end() :]
    return text[: member.before] + (rest if rest.startswith(space + "}") else space + rest.lstrip())


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
