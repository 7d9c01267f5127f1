"""A machine whose clients `clipal connect` sets up: a home directory, and what clients have there when it is done."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from clipal.commands import connect, disconnect

posix = pytest.mark.skipif(os.name != "posix", reason="modes, owners and links are POSIX")

KEY = "sk-s3cret"
FILES = {
    ".claude/settings.json": """\
{
  "env": {
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:3333/claudecode",
    "ANTHROPIC_AUTH_TOKEN": "any-value"
  }
}
""",
    ".codex/config.toml": """\
model_provider = "clipal"

[model_providers.clipal]
name = "clipal"
base_url = "http://127.0.0.1:3333/codex/v1"
wire_api = "responses"
""",
    ".gemini/.env": """\
GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:3333/gemini
GEMINI_API_KEY=any-value
""",
    ".gemini/settings.json": """\
{
  "security": {
    "auth": {
      "selectedType": "gemini-api-key"
    }
  }
}
""",
}


class Machine:
    """A home directory, and clipal's configuration beside it."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.config = directory / "clipal"
        self.home.mkdir()
        self.config.mkdir(exist_ok=True)

    def connect(self, *words: str) -> int:
        options = connect.Options()
        options.parseOptions(["--home", str(self.home), "--config-dir", str(self.config), *words])
        return connect.run(options)

    def disconnect(self, *words: str) -> int:
        options = disconnect.Options()
        options.parseOptions(["--config-dir", str(self.config), *words])
        return disconnect.run(options)

    def put(self, name: str, text: str) -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    def files(self) -> dict[str, str]:
        """All files in the home directory."""
        found = (path for path in self.home.rglob("*") if path.is_file())
        return {path.relative_to(self.home).as_posix(): path.read_bytes().decode(errors="replace") for path in found}


class Typed(StringIO):
    """A terminal at which something is typed; `meanwhile` happens before."""

    def __init__(self, text: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__(text)
        self._meanwhile = meanwhile

    def isatty(self) -> bool:
        return True

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        self._meanwhile()
        return super().readline(-1 if size is None else size)
