"""Completion in real shells: words and Tab are typed at a terminal, and the shell says what its line is then."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from tests.program.test_completion import FILES
from tests.terminal import Terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")

_SHOWN = re.compile(rb"<<(.*?)>>")
_TELL = b"\x18\x0c"
"""Ctrl-X Ctrl-L, at which each of the shells below shows its line."""


@frozen
class _Shell:
    """How a shell is started without the user's files, finds the script and shows its line."""

    options: tuple[str, ...]
    begins: str


SHELLS = {
    "bash": _Shell(
        ("--norc", "--noprofile", "-i"),
        f"source '{FILES['bash']}'\n" r"""bind -x '"\C-x\C-l": echo "<<$READLINE_LINE>>"'""" "\n",
    ),
    "zsh": _Shell(
        ("-f", "-i"),
        f"fpath=('{FILES['zsh'].parent}' $fpath); autoload -Uz compinit; compinit -D -u\n"
        "tell() { print -r -- \"<<$BUFFER>>\" }; zle -N tell; bindkey '^X^L' tell\n",
    ),
    "fish": _Shell(
        ("--no-config", "-i"),
        f"source '{FILES['fish']}'\n" r"""bind \cx\cl 'echo "<<"(commandline)">>"'""" "\n",
    ),
}


@pytest.fixture(scope="module", params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """One that is ready, in a directory with the directories `clipal` and `a b` and the file `clips.txt`."""
    program = shutil.which(request.param)
    if program is None:
        pytest.skip(f"needs {request.param}")
    here = tmp_path_factory.mktemp(request.param)
    (here / "clipal").mkdir()
    (here / "a b").mkdir()
    (here / "clips.txt").touch()
    environment = {"HOME": str(here), "PATH": str(Path(program).parent), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    terminal = Terminal([program, *SHELLS[request.param].options], environment, here)
    terminal.type(f"{SHELLS[request.param].begins}echo rea''dy\n".encode())
    terminal.until(b"\nready")
    yield terminal
    terminal.close()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("clipal disc", "clipal disconnect"),
        ("clipal --port 3333 rese", "clipal --port 3333 reset"),
        ("clipal --confi", "clipal --config-dir"),
        ("clipal disconnect --al", "clipal disconnect --all"),
        ("clipal connect gemini cod", "clipal connect gemini codex"),
        ("clipal use a", "clipal use auto"),
        ("clipal help tok", "clipal help token"),
        ("clipal completion z", "clipal completion zsh"),
        ("clipal init -c cli", "clipal init -c clipal/"),
        ("clipal check -c a", "clipal check -c a\\ b/"),
        ("clipal init --client gem", "clipal init --client gemini"),
        ("clipal init --provider openr", "clipal init --provider openrouter"),
        ("clipal -l de", "clipal -l debug"),
        ("clipal status --port 3", "clipal status --port 3"),
    ],
)
def test_tab_completes(typed: str, completed: str, shell: Terminal) -> None:
    shell.type(typed.encode() + b"\t" + _TELL)
    found = _SHOWN.search(shell.until(b">>"))
    shell.type(b"\x15")  # empties the line
    assert found is not None
    assert found[1].decode().rstrip(" =") == completed
