"""Two marks of files: a stamp changes when a file is saved, touched or replaced; a fingerprint tells their content."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias

Stamp: TypeAlias = tuple[int, int, int] | None
"""(modification time in ns, size in bytes, inode) of a file; None for one that is not there."""

_DIGITS: Final = 12
"""Hexadecimal digits of a fingerprint: enough to tell configurations apart."""


def look(directory: Path, names: Iterable[str]) -> dict[str, Stamp]:
    """The stamps of the files with these names in `directory`, by name."""
    return {name: _stamp(directory / name) for name in names}


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def fingerprint(directory: Path, names: Iterable[str]) -> str:
    """Some digits that differ when any byte of the files in `directory` does, wherever the directory is."""
    digest = sha256()
    for name in names:
        try:
            content = (directory / name).read_bytes()
        except OSError:
            continue
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:_DIGITS]
