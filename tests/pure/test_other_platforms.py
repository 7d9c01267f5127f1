"""What can be seen of macOS and Windows from here: nothing that only POSIX or Linux has is needed to begin."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from clipal.config.endpoint import Endpoint
from clipal.process.descriptors import raise_limit
from clipal.process.listening import open_listeners
from tests.configuring import failing, load

ROOT = Path(__file__).parents[2]
POSIX = ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty")
LACKING = {
    "win32": {
        "signal": "SIGHUP SIGUSR1 SIGUSR2 SIGQUIT SIGALRM",
        "select": "epoll poll",
        "os": "fork getuid geteuid getgid chown fchown fchmod mkfifo register_at_fork sched_getaffinity",
        "socket": "AF_UNIX SO_REUSEPORT SO_PEERCRED MSG_DONTWAIT",
    },
    "darwin": {"select": "epoll", "os": "sched_getaffinity pidfd_open", "socket": "SO_PEERCRED"},
}
"""What a platform has not, and Linux has."""
PRETENDED = f"""
import importlib, pkgutil, sys
import clipal
from twisted.internet import selectreactor
selectreactor.install()  # as Twisted does on Windows
def load():
    return [importlib.import_module(each.name) for each in pkgutil.walk_packages(clipal.__path__, "clipal.")
            if each.name not in ("clipal.__main__", "clipal.transport.epoll")]
load()  # so that Twisted has what it takes on this platform
for name in [each for each in sys.modules if each.split(".")[0] == "clipal"]:
    del sys.modules[name]
sys.platform, directory = sys.argv[1:]
if sys.platform == "win32":
    sys.modules.update(dict.fromkeys({POSIX!r}))
for module, names in {LACKING!r}[sys.platform].items():
    for name in names.split():
        vars(importlib.import_module(module)).pop(name, None)
import clipal
load()
from clipal.__main__ import main
where = ["-c", directory]
for expected, words in (
    (0, ["man"]), (0, ["init", *where]), (0, ["check", *where]), (1, ["upgrade", *where]), (1, ["service", "status"]),
    (0, ["demo", "--once"]),
):
    status = main(words)
    assert status == expected, (words, status)
"""
SAID = {
    "win32": [
        "clipal: nothing is handed over on this system: end the clipal that runs, and start it again",
        "clipal: there is neither systemd nor launchd here; docs/windows.md shows a task",
    ],
    "darwin": ["clipal: there is nothing to upgrade: no clipal runs that offers it at {}/upgrade-3333.sock"],
}


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


@pytest.mark.parametrize("platform", LACKING)
def test_commands_run_without_what_a_platform_lacks(platform: str, tmp_path: Path) -> None:
    """Signals, modules and functions are taken away; only clipal is imported after that."""
    command = [sys.executable, "-c", PRETENDED, platform, str(tmp_path / "c")]
    environment = {**os.environ, "HOME": str(tmp_path)}
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines() == [line.format(tmp_path / "c") for line in SAID[platform]]
    assert (tmp_path / "c" / "codex.yaml").is_file()
    assert "All three answers came from the second upstream" in ran.stdout


def test_on_windows_one_process_takes_as_many_sockets_as_select(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert raise_limit() == 512
    assert load(tmp_path, "workers: auto").settings.workers == 1
    (tmp_path / "config.yaml").write_text("workers: 2")
    assert str(failing(tmp_path)) == (
        f"{tmp_path / 'config.yaml'}:1: workers: must be 1 on Windows, where processes cannot share what they listen on"
    )


def test_on_windows_a_port_is_shared_with_no_other_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """SO_KEEPALIVE stands for the option that only Windows has."""
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
    (listener,) = open_listeners([Endpoint.tcp("127.0.0.1", 0)])
    try:
        assert listener.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        assert listener.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0
    finally:
        listener.socket.close()
