"""What can be seen of macOS and Windows from here: nothing that only POSIX or Linux has is needed to begin."""

from __future__ import annotations

import ast
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from clipal.config.endpoint import Endpoint
from clipal.process.listening import open_listeners

ROOT = Path(__file__).parents[2]
POSIX = ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty")
PRETENDED = f"""
import importlib, os, pkgutil, select, signal, socket, sys
import clipal
def load():
    return [importlib.import_module(each.name) for each in pkgutil.walk_packages(clipal.__path__, "clipal.")
            if each.name not in ("clipal.__main__", "clipal.transport.epoll")]
load()  # so that Twisted has what it takes on this platform
for name in [each for each in sys.modules if each.split(".")[0] == "clipal"]:
    del sys.modules[name]
sys.modules.update(dict.fromkeys({POSIX!r}))
for module, names in (
    (signal, "SIGHUP SIGUSR1 SIGUSR2 SIGQUIT SIGALRM"), (select, "epoll poll"),
    (os, "fork getuid geteuid getgid chown fchown fchmod mkfifo register_at_fork"),
    (socket, "AF_UNIX SO_REUSEPORT SO_PEERCRED MSG_DONTWAIT"),
):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
import clipal
load()
from clipal.__main__ import main
for words in (["man"], ["init", "-c", sys.argv[1]], ["check", "-c", sys.argv[1]]):
    status = main(words)
    assert status == 0, (words, status)
"""


def at_import(tree: ast.Module) -> set[str]:
    """The modules that are imported whenever this one is: outside of functions and conditions."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).partition(".")[0])
    return names


@pytest.mark.parametrize("path", sorted((ROOT / "clipal").rglob("*.py")), ids=lambda path: path.stem)
def test_no_module_needs_what_windows_lacks(path: Path) -> None:
    assert at_import(ast.parse(path.read_text("utf-8"))).isdisjoint(POSIX)


def test_commands_run_without_what_windows_lacks(tmp_path: Path) -> None:
    """Signals, modules and functions of POSIX are taken away; only clipal is imported after that."""
    command = [sys.executable, "-c", PRETENDED, str(tmp_path / "c")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "c" / "codex.yaml").is_file()


def test_on_windows_a_port_is_shared_with_no_other_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """SO_KEEPALIVE stands for the option that only Windows has."""
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
    (listener,) = open_listeners([Endpoint.tcp("127.0.0.1", 0)])
    try:
        assert listener.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        assert listener.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0
    finally:
        listener.socket.close()
