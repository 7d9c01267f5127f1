"""The client programs that clipal can connect. A new client is a module beside this one, and a line here."""

from __future__ import annotations

from typing import Final

from clipal.connect.claude_code import CLAUDE_CODE_PROGRAM
from clipal.connect.client import ClientProgram
from clipal.connect.codex import CODEX_PROGRAM
from clipal.connect.gemini import GEMINI_PROGRAM

PROGRAMS: Final[dict[str, ClientProgram]] = {
    each.name: each for each in (CLAUDE_CODE_PROGRAM, CODEX_PROGRAM, GEMINI_PROGRAM)
}
