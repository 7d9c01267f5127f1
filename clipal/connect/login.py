"""Logins of a client at its maker that are not used while it is connected."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from clipal.connect.edits import Edit
from clipal.connect.formats.syntax import Path as Keys


@frozen
class Login:
    """A login, and how to know that it is in use.

    Attributes:
        words: what it is, for people.
        file: where the client keeps it, in its directory; it is not read.
        setting: the setting that chooses between logins, and the value that chooses this one; with none of them, it
            is in use where its file is there.
    """

    words: str
    file: str
    setting: tuple[Keys, str] | None = None

    def is_replaced(self, directory: Path, edits: Iterable[Edit]) -> bool:
        """Whether `edits` put clipal in its place."""
        edits = tuple(edits)
        exists = os.path.lexists(directory / self.file)
        if self.setting is None:
            return bool(edits) and exists
        path, value = self.setting
        old = [each.old for each in edits if each.path == path]
        return any(exists if each is None else each.strip("\"'") == value for each in old)
