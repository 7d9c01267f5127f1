"""Codex CLI: `config.toml` in `~/.codex`, or in CODEX_HOME.

A provider of our own, for the built-in one cannot be changed and tries a WebSocket first. It must not be named
"OpenAI", at which Codex compresses its requests; without `env_key` it needs no key (measured with 0.171.0). What it is
to send as one can stand in `experimental_bearer_token` (0.169.0).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clipal.connect.client import ClientFile, ClientProgram, directory_in
from clipal.connect.edits import TOML, Setting
from clipal.connect.login import Login
from clipal.dialects.openai import OPENAI

_PROVIDER: Final = ("model_providers", "clipal")
_LOGIN: Final = Login("the login with ChatGPT or an API key of OpenAI", "auth.json")


def _files(directory: Path, base: str, token: str | None) -> tuple[ClientFile, ...]:
    settings: tuple[Setting, ...] = (
        Setting(("model_provider",), "clipal"),
        Setting((*_PROVIDER, "name"), "clipal"),
        Setting((*_PROVIDER, "base_url"), f"{base}/{OPENAI.prefix}/v1"),
        Setting((*_PROVIDER, "wire_api"), "responses"),
    )
    if token is not None:
        settings += (Setting((*_PROVIDER, "experimental_bearer_token"), token),)
    return (ClientFile(directory / "config.toml", TOML, settings),)


CODEX_PROGRAM: Final = ClientProgram(
    OPENAI.prefix, OPENAI.title, "codex", directory_in("CODEX_HOME", ".codex"), _files, _LOGIN
)
