"""The clients that clipal knows. A new client is a new file beside this one, and a line here."""

from __future__ import annotations

from typing import Final

from clipal.dialects.anthropic import ANTHROPIC
from clipal.dialects.dialect import Dialect
from clipal.dialects.gemini import GEMINI
from clipal.dialects.openai import OPENAI

DIALECTS: Final[tuple[Dialect, ...]] = (ANTHROPIC, OPENAI, GEMINI)
