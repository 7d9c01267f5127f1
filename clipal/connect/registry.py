"""The clients that clipal can connect. A new one is a new file beside this one, and a line here."""

from __future__ import annotations

from typing import Final

from clipal.connect.claude_code import CLAUDE_CODE
from clipal.connect.client import Client
from clipal.connect.codex import CODEX
from clipal.connect.gemini import GEMINI

CLIENTS: Final[dict[str, Client]] = {each.name: each for each in (CLAUDE_CODE, CODEX, GEMINI)}
