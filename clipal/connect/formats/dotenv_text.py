"""Edits of a `.env` file in place: lines `NAME=value`, maybe with `export` before and a comment behind.

A value in quotes may have several lines. What is no such line says nothing, as in the npm package dotenv, with which
Gemini CLI reads it; so no text is broken.
"""

from __future__ import annotations

import re
from typing import Final

from clipal.connect.formats.syntax import Path, Place, Syntax, Tree, UnreadableFile, line_of, with_lines, without_lines

_END: Final = r"(?=[ \t]*(?:\#.*)?(?:\r|$))"
_WORDS: Final = r"[^ \t\r\n#]*(?:[ \t]+[^ \t\r\n#]+)*"  # so that a long line costs no more than its length
_LINE: Final = re.compile(
    r"^[ \t]*(?:export[ \t]+)?(?P<name>[\w.-]+)[ \t]*=[ \t]*"
    rf"""(?P<value>(?:'(?:\\'|[^'])*'|"(?:\\"|[^"])*"|`(?:\\`|[^`])*`){_END}|{_WORDS}{_END})"""
    r"[^\n]*\n?",
    re.MULTILINE,
)
_USUAL: Final = re.compile(r"(?:\A|\s)[A-Z_][A-Z0-9_]{0,40}[ \t]*=[ \t]*\Z")


class DotenvText(Syntax):
    """Names and texts, without tables."""

    name = "dotenv"
    blank = ""

    def read(self, text: str) -> Tree:
        return {match["name"]: _unquoted(match["value"]) for match in _LINE.finditer(text)}

    def raw(self, text: str, path: Path) -> str | None:
        found = _find(text, path)
        return None if found is None else found["value"]

    def literal(self, value: str) -> str:
        return value

    def replace(self, text: str, path: Path, raw: str) -> str:
        found = _find(text, path)
        assert found is not None
        return text[: found.start("value")] + raw + text[found.end("value") :]

    def insert(self, text: str, path: Path, value: str) -> str:
        return with_lines(text, [f"{path[-1]}={value}"])

    def made(self, text: str, path: Path) -> tuple[Path, ...]:
        return ()

    def remove(self, text: str, path: Path) -> str:
        found = _find(text, path)
        assert found is not None
        return without_lines(text, Place(found.start(), found.end()))

    def remove_empty(self, text: str, path: Path) -> str:
        return text

    def masked(self, text: str, plain: frozenset[str]) -> str:
        shown, at = "", 0
        for match in _LINE.finditer(text):
            shown += _masked_rest(text[at : match.start()]) + _masked_line(match, plain)
            at = match.end()
        return shown + _masked_rest(text[at:])


def _find(text: str, path: Path) -> re.Match[str] | None:
    found = [match for match in _LINE.finditer(text) if (match["name"],) == path]
    if len(found) > 1:
        raise UnreadableFile(line_of(text, found[1].start("name")), f"{path[-1]} is set twice")
    return found[0] if found else None


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] in "'\"`" and value[-1] == value[0] else value


def _masked_line(match: re.Match[str], plain: frozenset[str]) -> str:
    """A line with a value, or all the lines of one; a name that looks unusual may be a piece of a key."""
    value = match["value"]
    before = match[0][: match.start("value") - match.start()]
    start = before if _USUAL.search(before) else "...="
    shown = value if value in plain or not value else "..."
    return start + shown + ("\n" if match[0].endswith("\n") else "")


def _masked_rest(text: str) -> str:
    """What stands between the lines with values: comments, and what says nothing."""
    return re.sub(r"[^\r\n]+", lambda line: "..." if line[0].strip() else line[0], text)
