"""Out of file descriptors: accepting pauses, and goes on by itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.wirekit.client import request
from tests.wirekit.fixtures import Connect, RunProgram
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.process import PYTHON, free_port

LIMITED = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)); sys.argv[0] = 'clipal'; "
    "from clipal.__main__ import main; sys.exit(main())"
)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such limit")
@ensure_deferred
async def test_clients_wait_until_there_is_room(run_program: RunProgram, connect: Connect, tmp_path: Path) -> None:
    port = free_port()
    program = run_program(PYTHON, "-c", LIMITED, "--config-dir", str(tmp_path), "--port", str(port))
    await program.wait_for_output("Listening on")
    clients = [await connect(port) for _ in range(60)]
    for client in clients:
        client.send(request(b"GET", b"/health", ((b"Host", b"localhost"), (b"Connection", b"close"))))
    for client in clients:
        assert (await client.read_response()).status == 200
        client.close()
    assert "the next ones wait" in bytes(program.stdout).decode()
