"""The output of `clipal demo`: rows with a name in front, at most 80 columns wide, whole or in pieces."""

from __future__ import annotations

import os
import re
from textwrap import fill
from typing import Final, TextIO

WIDTH: Final = 80
_INDENT: Final = " " * 13
_WORD: Final = re.compile(r"\S+\s*|\s+")


class Terminal:
    """Writes to `stream` without a buffer; in colour on a terminal, unless NO_COLOR or TERM say otherwise."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._column = 0
        self._gap = ""

    def line(self, text: str = "", end: str = "\n") -> None:
        """Writes a line as it is."""
        self._write(text + end)

    def paragraph(self, text: str) -> None:
        """Writes wrapped text."""
        self.line(fill(text, WIDTH, break_on_hyphens=False))

    def row(self, name: str, text: str) -> None:
        """Writes a name, and wrapped text beside it."""
        first = _first(name)
        rows = fill(text, WIDTH, initial_indent=first, subsequent_indent=_INDENT, break_on_hyphens=False)
        self.line(self._cyan(first) + rows.removeprefix(first))

    def heading(self, text: str) -> None:
        """Writes a heading."""
        text = fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
        self.line(f"\x1b[1m{text}\x1b[0m" if self._coloured else text)

    def begin(self, name: str) -> None:
        """Begins a row that comes in pieces."""
        self._write(self._cyan(_first(name)))
        self._column, self._gap = len(_INDENT), ""

    def piece(self, text: str) -> None:
        """Writes the next piece; words that do not fit go to a new line."""
        for word in _WORD.findall(text):
            if self._column + len(self._gap) + len(word.rstrip()) > WIDTH:
                self._write("\n" + _INDENT)
                self._column, self._gap = len(_INDENT), ""
            written = self._gap + word.rstrip()
            self._write(written)
            self._column += len(written)
            self._gap = " " if word[-1].isspace() else ""

    def _cyan(self, text: str) -> str:
        return f"\x1b[36m{text}\x1b[0m" if self._coloured and text.strip() else text

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _first(name: str) -> str:
    return f"  {name:<11}"
