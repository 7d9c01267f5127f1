"""Claude Code: `settings.json` in `~/.claude`, or in CLAUDE_CONFIG_DIR.

The file's `env` counts more than the environment. Without a key, Claude Code says "Not logged in" and sends no request
(measured with 2.1.332). The file must be strict JSON: because of one comment Claude Code ignores all of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clipal.connect.client import ClientFile, ClientProgram, directory_in
from clipal.connect.edits import JSON, Setting
from clipal.connect.login import Login
from clipal.dialects.anthropic import ANTHROPIC

_TOKEN: Final = ("env", "ANTHROPIC_AUTH_TOKEN")
_KEY: Final = ("env", "ANTHROPIC_API_KEY")
_LOGIN: Final = Login("the login at claude.ai", ".credentials.json")


def _files(directory: Path, base: str, token: str | None) -> tuple[ClientFile, ...]:
    settings = (
        Setting(("env", "ANTHROPIC_BASE_URL"), f"{base}/{ANTHROPIC.prefix}"),
        Setting.credential(_TOKEN, token, _KEY),
    )
    return (ClientFile(directory / "settings.json", JSON, settings),)


CLAUDE_CODE_PROGRAM: Final = ClientProgram(
    ANTHROPIC.prefix, ANTHROPIC.title, "claude", directory_in("CLAUDE_CONFIG_DIR", ".claude"), _files, _LOGIN
)
