"""Checks a client's own files: before `clipal connect`, after it, and after `clipal disconnect`."""

from __future__ import annotations

from pathlib import Path

from attrs import define, field

from acceptance.checks import require
from acceptance.clients import Client


@define
class Files:
    """The files of one client in one home directory."""

    home: Path
    client: Client
    _connected: dict[str, str] = field(factory=dict)

    def write(self) -> None:
        """Writes the user's files."""
        for name, text in self.client.before.items():
            file = self.home / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def connected(self, base: str) -> str:
        """Checks that the files have changed and that clipal's URL is in one of them; returns their names."""
        for name in self.client.settings:
            text = self._text(name)
            require(text is not None, f"{name} is not there")
            require(text != self.client.before.get(name), f"{name} is as it was")
            self._connected[name] = text or ""
        url = f"{base}/{self.client.prefix}"
        require(any(url in text for text in self._connected.values()), f"{url} is in none of the files")
        return ", ".join(self.client.settings)

    def taken_back(self) -> str:
        """Checks that every file has its former content."""
        for name in self.client.settings:
            found, before = self._text(name), self.client.before.get(name)
            require(found == before, f"{name} is not what it was: {found}")
        return "every file is what it was, to the byte"

    def _text(self, name: str) -> str | None:
        """The content of a file; None where there is no file."""
        file = self.home / name
        return file.read_bytes().decode() if file.exists() else None
