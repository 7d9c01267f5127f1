"""Edits of JSON in place, with or without comments.

A member is added behind the last one of its object and indented as that is; taken out, it goes with its comma and its
line. Comments stay where they are.
"""

from __future__ import annotations

import json
import re
from typing import Final

from clipal.connect.formats.json_scan import COMMENT, STRING, JSONMember, JSONNode, scanned
from clipal.connect.formats.syntax import Path, Syntax, Tree, UnreadableFile, line_ending, line_of

_SHOWN: Final = re.compile(rf"(?P<text>{STRING})(?P<colon>\s*:)?|(?P<comment>{COMMENT})")
_INDENTATION: Final = re.compile(r"\n([ \t]*)\Z")


class JsonText(Syntax):
    """JSON; `comments` tells whether its client allows them."""

    blank = "{}"

    def __init__(self, name: str, *, comments: bool) -> None:
        self.name = name
        self._comments = comments

    def read(self, text: str) -> Tree:
        value: Tree = self._root(text).value
        return value

    def raw(self, text: str, path: Path) -> str | None:
        found = self._find(text, path)
        return None if found is None else text[found.start : found.end]

    def literal(self, value: str) -> str:
        return json.dumps(value)

    def replace(self, text: str, path: Path, raw: str) -> str:
        node = self._find(text, path)
        assert node is not None
        return text[: node.start] + raw + text[node.end :]

    def insert(self, text: str, path: Path, value: str) -> str:
        root = parent = self._root(text)
        depth = 0
        while depth < len(path) - 1 and (child := _member(text, parent, path[depth])) is not None:
            parent, depth = child.node, depth + 1
        return _added(text, root, parent, path[depth:], value)

    def made(self, text: str, path: Path) -> tuple[Path, ...]:
        prefixes = [path[:length] for length in range(1, len(path))]
        return tuple(each for each in prefixes if self._find(text, each) is None)

    def remove(self, text: str, path: Path) -> str:
        parent = self._find(text, path[:-1])
        assert parent is not None
        member = _member(text, parent, path[-1])
        assert member is not None
        return _taken_out(text, parent, member)

    def remove_empty(self, text: str, path: Path) -> str:
        node = self._find(text, path)
        if node is None or text[node.start + 1 : node.end - 1].strip():
            return text
        return self.remove(text, path)

    def masked(self, text: str, plain: frozenset[str]) -> str:
        def shown(match: re.Match[str]) -> str:
            if match["comment"]:
                return "// ..." if match["comment"].startswith("//") else "/* ... */"
            return match[0] if match["colon"] or match["text"] in plain else '"..."'

        return _SHOWN.sub(shown, text)

    def _root(self, text: str) -> JSONNode:
        return scanned(text, comments=self._comments)

    def _find(self, text: str, path: Path) -> JSONNode | None:
        node = self._root(text)
        for key in path:
            member = _member(text, node, key)
            if member is None:
                return None
            node = member.node
        return node


def _member(text: str, node: JSONNode, name: str) -> JSONMember | None:
    """The member called `name`; JSON.parse takes the last of two, and a reader the first."""
    found = [each for each in node.members if each.name == name]
    if len(found) > 1:
        raise UnreadableFile(line_of(text, found[1].start), f"{name} is set twice")
    return found[0] if found else None


def _added(text: str, root: JSONNode, parent: JSONNode, names: Path, value: str) -> str:
    """`text` with a member behind the others of `parent`: the first of `names`, the others in objects of its own."""
    ending, step = line_ending(text), _indentation(text, root) or "  "
    outer = _leading_space(text, parent.start)
    after = parent.members[-1].node.end if parent.members else parent.start + 1
    inside = text[after : parent.end - 1]
    comments = inside.rstrip()
    space = inside[len(comments) :]
    indentation = _indentation(text, parent if parent.members else root)
    if "//" in comments or indentation is not None or not root.members:
        indentation = indentation if indentation is not None and parent.members else outer + step
        before = ending + indentation
        space = space if "\n" in space or parent.members else ending + outer  # a brace stays where it was
    else:
        before = " " if parent.members else ""
    comma = "," if parent.members else ""
    member = _rendered(names, value, ending, indentation, step)
    return text[:after] + comma + comments + before + member + space + text[parent.end - 1 :]


def _rendered(names: Path, value: str, ending: str, indentation: str | None, step: str) -> str:
    """A member, on one line if there is no indentation."""
    name = json.dumps(names[0]) + ": "
    if len(names) == 1:
        return name + json.dumps(value)
    if indentation is None:
        return name + "{" + _rendered(names[1:], value, ending, None, step) + "}"
    inner = indentation + step
    return name + "{" + ending + inner + _rendered(names[1:], value, ending, inner, step) + ending + indentation + "}"


def _taken_out(text: str, parent: JSONNode, member: JSONMember) -> str:
    """`text` without `member`, and without the comma that it needed."""
    start, end = member.start, member.node.end
    previous = parent.members[parent.members.index(member) - 1]
    comma = member.comma if member.comma is not None else previous.comma
    floor = parent.start + 1 if member is parent.members[0] else previous.node.end
    if len(parent.members) == 1:
        text = _cut(text, floor, start, end)
        inside = text[parent.start + 1 : text.index("}", parent.start)]
        return text if inside.strip() else text[: parent.start + 1] + text[parent.start + 1 + len(inside) :]
    assert comma is not None
    if comma > start:
        return _cut(text[:comma] + text[comma + 1 :], floor, start, end)
    text = _cut(text, floor, start, end)
    return text[:comma] + text[comma + 1 :]


def _cut(text: str, floor: int, start: int, end: int) -> str:
    """`text` without these characters and the space before them, unless a comment before would swallow what follows.

    Between `floor` and `start` are only space, comments and a comma.
    """
    head, tail = text[:start].rstrip(), text[end:]
    last_line = head[floor:].rpartition("\n")[2]
    if "//" in last_line and not re.match(r"[ \t]*\r?\n", tail):
        return text[:start] + tail
    return head + tail


def _indentation(text: str, node: JSONNode) -> str | None:
    """That of the first member of `node`; None where this has no line of its own, or there is none."""
    found = _INDENTATION.search(text[: node.members[0].start]) if node.members else None
    return found[1] if found else None


def _leading_space(text: str, position: int) -> str:
    """The space that the line at `position` begins with."""
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip(" \t"))]
