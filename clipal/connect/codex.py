"""Codex CLI: `config.toml` in `~/.codex`, or in CODEX_HOME.

The settings add a provider, because Codex's built-in provider cannot be changed and tries a WebSocket first. The added
provider must not be named "OpenAI", because Codex compresses the requests to that one. Without `env_key` Codex needs no
key (measured with 0.171.0); with a token, `experimental_bearer_token` holds it (0.169.0).
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
