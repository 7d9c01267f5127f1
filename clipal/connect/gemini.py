"""Gemini CLI: `.env` and `settings.json` in `~/.gemini`; GEMINI_CLI_HOME, if set, replaces `~`.

Gemini CLI reads the base URL from the environment or from `.env` only, and needs a key. With a base URL and without
`selectedType`, it selects a way to authenticate that it then rejects (measured with 0.61.0). Its JSON may have
comments.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from clipal.connect.client import ClientFile, ClientProgram
from clipal.connect.edits import DOTENV, JSON_WITH_COMMENTS, Setting
from clipal.connect.login import Login
from clipal.dialects.gemini import GEMINI as DIALECT

_KEY: Final = ("GEMINI_API_KEY",)
_AUTH: Final = ("security", "auth", "selectedType")
_LOGIN: Final = Login("the login with Google", "oauth_creds.json", (_AUTH, "oauth-personal"))


def _directory(home: Path, environment: Mapping[str, str]) -> Path:
    named = environment.get("GEMINI_CLI_HOME")
    return (Path(named).absolute() if named else home) / ".gemini"


def _files(directory: Path, base: str, token: str | None) -> tuple[ClientFile, ...]:
    variables = (
        Setting(("GOOGLE_GEMINI_BASE_URL",), f"{base}/{DIALECT.prefix}"),
        Setting.credential(_KEY, token),
    )
    settings = (Setting(_AUTH, "gemini-api-key"),)
    return (
        ClientFile(directory / ".env", DOTENV, variables),
        ClientFile(directory / "settings.json", JSON_WITH_COMMENTS, settings),
    )


GEMINI_PROGRAM: Final = ClientProgram(DIALECT.prefix, DIALECT.title, "gemini", _directory, _files, _LOGIN)
