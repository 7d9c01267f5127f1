"""Reads a mapping by a table: what each key's value may be."""

from __future__ import annotations

from collections.abc import Mapping as Map
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from clipal.config.nodes import Mapping, shown
from clipal.config.problems import Problems
from clipal.config.values import Reader

_LONGEST: Final = 40
"""Characters of a key that is compared with the known ones."""


@frozen
class Table:
    """The keys of one kind of mapping.

    Attributes:
        readers: what reads the value of each key.
        foreign: what to say of keys that other programs have here.
        unused: keys that are read, so that mistakes in them are found, and have no effect.
    """

    readers: Map[str, Reader]
    foreign: Map[str, str] = field(factory=dict)
    unused: frozenset[str] = frozenset()

    def read(self, file: Path, place: str, document: Mapping, problems: Problems) -> dict[str, Any]:
        """The values that could be read; whatever is wrong with the others goes to `problems`.

        Parameters:
            place: what stands before the keys of the mapping, as in `providers[0]`.
        """
        values: dict[str, Any] = {}
        for key, node in document.items.items():
            if key not in self.readers:
                name, text = self._unknown(key)
                problems.error(file, document.lines[key], _dotted(place, name), text)
                continue
            try:
                value = self.readers[key](node)
            except ValueError as error:
                problems.error(file, node.line, _dotted(place, key), str(error))
                continue
            if key not in self.unused:
                values[key] = value
        return values

    def _unknown(self, key: str) -> tuple[str, str]:
        """How to call a key that is not known, and what to say of it."""
        if key in self.foreign:
            return key, self.foreign[key]
        near = get_close_matches(key, self.readers, 1) if len(key) <= _LONGEST else []
        if near:
            return key, f"unknown key; did you mean {near[0]}?"
        return shown(key), f"unknown key; known are {', '.join(sorted(self.readers.keys() - self.unused))}"


def _dotted(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
