"""What systemd is told, and sockets that it passes."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from twisted.internet.threads import deferToThread

from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.process import PYTHON, free_port
from tests.world import World

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX") or os.name != "posix", reason="systemd is Linux's")

_ACTIVATED = """
import os, socket, sys
descriptor = socket.create_server(("127.0.0.1", int(sys.argv[1]))).detach()
os.dup2(descriptor, 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="clipal")
os.execv(sys.executable, [sys.executable, "-m", "clipal", *sys.argv[2:]])
"""


@ensure_deferred
async def test_it_says_that_it_serves_reloads_lives_and_stops(world: World, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        told = lambda: deferToThread(lambda: systemd.recv(4096).decode().split("\n"))  # noqa: E731
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"}
        program = world.program(
            PYTHON, "-m", "clipal", "--config-dir", tmp_path, "--port", str(free_port()), env=environment
        )
        assert (await told())[0] == "READY=1"
        assert await told() == ["WATCHDOG=1"]
        program.signal(signal.SIGHUP)
        reloading = await told()
        assert reloading[0] == "RELOADING=1"
        assert reloading[1].startswith("MONOTONIC_USEC=")
        assert (await told())[0] == "READY=1"
        program.signal(signal.SIGTERM)
        assert (await told())[0] == "STOPPING=1"
        assert (await program.ended()).code == 0


@ensure_deferred
async def test_it_serves_on_a_socket_that_systemd_has_made(world: World, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("listen: ['systemd:domain=INET:name=clipal']\n")
    port = free_port()
    program = world.program(PYTHON, "-c", _ACTIVATED, str(port), "--config-dir", tmp_path)
    client = None
    await program.wait_for_output(f"Listening on 127.0.0.1:{port}")
    client = await world.connect(port)
    client.send(request(b"GET", b"/health"))
    assert (await client.read_response()).status == 200
    program.signal(signal.SIGTERM)
    assert (await program.ended()).code == 0


@pytest.mark.parametrize("entry", ["systemd:domain=INET:name=other", "systemd:domain=INET:index=7"])
@ensure_deferred
async def test_a_socket_that_it_has_not_passed_is_one_line(world: World, tmp_path: Path, entry: str) -> None:
    (tmp_path / "config.yaml").write_text(f"listen: ['{entry}']\n")
    program = world.program(PYTHON, "-c", _ACTIVATED, str(free_port()), "--config-dir", tmp_path)
    assert (await program.ended()).code == 1
    lines = bytes(program.stderr).decode().strip().splitlines()
    assert lines[-1].startswith("clipal: cannot listen on systemd:")
    assert lines[-1].endswith("systemd has passed no such socket")
    assert "Traceback" not in "".join(lines)
