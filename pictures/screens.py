"""Screens of commands: `python -m pictures.screens DIRECTORY` runs them in a terminal and draws what they write.

Real programs beside a real clipal, with two providers on this machine of which the first is limited. Only the path of
the temporary directory is replaced, by one that a reader may have.
"""

from __future__ import annotations

import fcntl
import http.client
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from contextlib import suppress
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from pictures.providers import Phase, Provider
from pictures.scene import BODY, free_port, wait_for

COLUMNS: Final = 80
_FONTS: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""They would be fetched from somewhere else by whoever looks at the picture."""
_SHOWN: Final = "/home/anna/.clipal"
_CODEX: Final = """\
providers:
  - name: openai
    base_url: https://api.openai.com/v1/responses
    api_key: my-key
  - name: openrouter
    base_url: https://openrouter.ai/api/v1
    api_key: "sk-or-xxx"
    api-keys: []
"""


def screen(*words: str, typed: Sequence[str] = (), home: str | None = None) -> str:
    """What `clipal` with these words writes to a terminal.

    Parameters:
        typed: what is typed at each prompt.
        home: the home directory, if another one than ours.
    """
    answers = list(typed)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": ""}
    environment.pop("NO_COLOR", None)
    if home is not None:
        environment["HOME"] = home
    program = subprocess.Popen(
        [sys.executable, "-m", "clipal", *words],
        stdin=theirs if typed else None,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    written = bytearray()
    with suppress(OSError):  # the end of a terminal
        while part := os.read(ours, 65536):
            written += part
            if answers and written.endswith((b"]: ", b"] ")):
                os.write(ours, f"{answers.pop(0)}\n".encode())
    os.close(ours)
    program.wait()
    return written.decode().replace("\r\n", "\n")


def _man_page() -> str:
    """The beginning of the man page, as man shows it."""
    source = subprocess.run([sys.executable, "-m", "clipal", "man"], capture_output=True, check=True).stdout
    roff = ["groff", "-man", "-Tutf8", "-rLL=78n"]
    shown = subprocess.run(roff, input=source, capture_output=True, check=True)
    return "\n".join(shown.stdout.decode().splitlines()[:50])


def draw(command: str, written: str, path: Path) -> None:
    """Draws it as SVG."""
    console = Console(width=COLUMNS, record=True, file=StringIO(), force_terminal=True, color_system="standard")
    console.print(Text(f"$ {command}", "bold"))
    console.print(Text.from_ansi(written.rstrip("\n")))
    picture = console.export_svg(title=command, theme=MONOKAI, unique_id=path.stem)
    path.write_text(_FONTS.sub("", picture))


def main(directory: Path) -> None:
    """Draws all of them into `directory`."""
    with tempfile.TemporaryDirectory() as name:
        _draw_status(Path(name), directory / "status.svg")
        (Path(name) / "codex.yaml").write_text(_CODEX)
        (Path(name) / "codex.yaml").chmod(0o600)
        written = screen("check", "--config-dir", name)
        draw("clipal check", written.replace(name, _SHOWN), directory / "check.svg")
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / ".claude").mkdir()
        typed = ("", "1 2", "sk-ant-api03-shown-nowhere", "file:openrouter.key", "y")
        (Path(name) / ".clipal").mkdir()
        (Path(name) / ".clipal" / "openrouter.key").write_text("my-key")
        (Path(name) / ".clipal" / "openrouter.key").chmod(0o600)
        written = screen("init", "--offline", typed=typed, home=name)
        draw("clipal init", written.replace(name, str(Path(_SHOWN).parent)), directory / "init.svg")
    draw("clipal man", _man_page(), directory / "man.svg")
    draw("clipal demo --once", screen("demo", "--once"), directory / "demo.svg")


def _draw_status(directory: Path, path: Path) -> None:
    asked = count()
    limited = Provider((Phase(0), Phase(3, 429, (("Retry-After", "290"),))), lambda: next(asked))
    relay = Provider((Phase(0),), time.monotonic)
    entries = "".join(
        f"  - {{name: {name}, base_url: '{each.base_url}', api_key: key-of-{name}, priority: {priority}}}\n"
        for priority, (name, each) in enumerate((("anthropic", limited), ("relay", relay)), 1)
    )
    (directory / "claude-code.yaml").write_text(f"providers:\n{entries}")
    (directory / "claude-code.yaml").chmod(0o600)
    port = free_port()
    command = [sys.executable, "-m", "clipal", "--config-dir", str(directory), "--port", str(port)]
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        for _ in range(6):
            _ask_once(port)
        written = screen("status", "--config-dir", str(directory), "--port", str(port))
        draw("clipal status", written.replace(str(directory), _SHOWN), path)
    finally:
        program.terminate()
        program.wait()
        limited.close()
        relay.close()


def _ask_once(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/claudecode/v1/messages", BODY, {"Content-Type": "application/json"})
    connection.getresponse().read()
    connection.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
