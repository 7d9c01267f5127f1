"""How files stand: what of a file changes when it is saved, touched or replaced."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[int, int, int] | None
"""(modification time in ns, size in bytes, inode) of a file; None for one that is not there."""


def look(directory: Path, names: Iterable[str]) -> dict[str, Stamp]:
    """The stamps of the files in `directory` that are called so, by name."""
    return {name: _stamp(directory / name) for name in names}


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
