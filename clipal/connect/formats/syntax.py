"""A format of text whose values can be edited in place: what `clipal.connect.edits` asks of each.

A path names a value by the keys that lead to it; the last key's value is a text, all before it are tables. An edit
touches the characters of that value alone, or adds a line of its own, so comments, order and line endings stay.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

Path = tuple[str, ...]
Tree = dict[str, Any]

MISSING: Final = object()
"""What `lookup` finds where there is nothing; a null is something."""


class UnreadableFile(Exception):
    """A text that is broken, or that cannot be edited without a guess.

    Attributes:
        line: where, counted from 1; None where no line is to blame.
        problem: in our own words, because a parser's would quote the text, and a key may be in it.
    """

    def __init__(self, line: int | None, problem: str) -> None:
        super().__init__(problem)
        self.line, self.problem = line, problem


class Syntax(ABC):
    """One format, without state.

    Attributes:
        name: what a record calls it.
        blank: a text of this format that holds nothing.
    """

    name: str
    blank: str

    @abstractmethod
    def read(self, text: str) -> Tree:
        """All values in `text`.

        Raises:
            UnreadableFile: it is broken.
        """

    @abstractmethod
    def raw(self, text: str, path: Path) -> str | None:
        """The characters that are the value at `path`; None where there is none.

        Raises:
            UnreadableFile: a key on the path stands there twice.
        """

    @abstractmethod
    def literal(self, value: str) -> str:
        """`value` as it is written."""

    @abstractmethod
    def replace(self, text: str, path: Path, raw: str) -> str:
        """`text` with `raw` in the place of the value at `path`, which is there."""

    @abstractmethod
    def insert(self, text: str, path: Path, value: str) -> str:
        """`text` with the value at `path`, where there is none, and with the tables that lead to it."""

    @abstractmethod
    def made(self, text: str, path: Path) -> tuple[Path, ...]:
        """The tables that `insert` would make, outermost first."""

    @abstractmethod
    def remove(self, text: str, path: Path) -> str:
        """`text` without the value at `path`, which is there.

        Raises:
            UnreadableFile: it cannot be taken out alone.
        """

    @abstractmethod
    def remove_empty(self, text: str, path: Path) -> str:
        """`text` without the table at `path`, if that is there and holds nothing, not even a comment."""

    @abstractmethod
    def masked(self, text: str, plain: frozenset[str]) -> str:
        """`text` to be shown: the names of settings, but no comment, and no text among the values.

        Parameters:
            plain: raw values that may be shown all the same.
        """


@frozen
class Place:
    """A range of characters."""

    start: int
    end: int


def lookup(tree: Mapping[str, Any], path: Path) -> Any:
    """The value at `path` in `tree`, or MISSING."""
    found: Any = tree
    for key in path:
        if not isinstance(found, Mapping) or key not in found:
            return MISSING
        found = found[key]
    return found


def line_ending(text: str) -> str:
    """The line ending that most lines of `text` have."""
    return "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"


def line_of(text: str, position: int) -> int:
    """The number of the line at `position`, counted from 1."""
    return text.count("\n", 0, position) + 1


def with_lines(text: str, lines: list[str]) -> str:
    """`text` with `lines` behind it; it ends with a line ending if it did so before, or was empty."""
    ending = line_ending(text)
    joined = ending.join(lines)
    if not text or text.endswith("\n"):
        return text + joined + ending
    return text + ending + joined


def without_lines(text: str, place: Place) -> str:
    """`text` without whole lines; without a line ending at its end if it had none before."""
    head, tail = text[: place.start], text[place.end :]
    if not tail and not text.endswith("\n"):
        head = head.removesuffix("\n").removesuffix("\r")
    return head + tail
