"""Logins of a client at its vendor, which are not used while the client is connected to clipal."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from clipal.connect.edits import Edit
from clipal.connect.formats.syntax import Path as Keys


@frozen
class Login:
    """A login, and how to see that it is in use.

    Attributes:
        words: its name for people.
        file: the file of the login in the client's directory; its content is not read.
        setting: the setting that chooses between logins, and the value that chooses this one. Where the client has no
            such setting, the login is in use if its file exists.
    """

    words: str
    file: str
    setting: tuple[Keys, str] | None = None

    def is_replaced(self, directory: Path, edits: Iterable[Edit]) -> bool:
        """Whether the login is in use and `edits` replace it by clipal."""
        edits = tuple(edits)
        exists = os.path.lexists(directory / self.file)
        if self.setting is None:
            return bool(edits) and exists
        path, value = self.setting
        old = [each.old for each in edits if each.path == path]
        return any(exists if each is None else each.strip("\"'") == value for each in old)
