"""Out of file descriptors: accepting pauses, and goes on by itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from tests.wirekit.client import RawClient, request
from tests.wirekit.fixtures import RunProgram
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.process import PYTHON, free_port
from tests.wirekit.steps import Wait, answer
from tests.world import World

LIMITED = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)); sys.argv[0] = 'clipal'; "
    "from clipal.__main__ import main; sys.exit(main())"
)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such limit")
@ensure_deferred
async def test_clients_wait_until_there_is_room(world: World, tmp_path: Path) -> None:
    port = free_port()
    program = world.program(PYTHON, "-c", LIMITED, "--config-dir", str(tmp_path), "--port", str(port))
    await program.wait_for_output("Listening on")
    clients = [await world.connect(port) for _ in range(60)]
    for client in clients:
        client.send(request(b"GET", b"/health", ((b"Host", b"localhost"), (b"Connection", b"close"))))
    for client in clients:
        assert (await client.read_response()).status == 200
        client.close()
    assert "the next ones wait" in bytes(program.stdout).decode()


async def limited(run_program: RunProgram, tmp_path: Path, limit: int) -> int:
    """The port of a clipal with so many descriptors."""
    port = free_port()
    arguments = "--config-dir", str(tmp_path), "--port", str(port)
    program = run_program(PYTHON, "-c", LIMITED.replace("40", str(limit)), *arguments)
    await program.wait_for_output("Listening on")
    return port


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such limit")
@ensure_deferred
async def test_the_clients_that_are_idle_for_longest_make_room(world: World, tmp_path: Path) -> None:
    port = await limited(world.program, tmp_path, 96)
    clients: list[RawClient] = []
    for _ in range(80):
        client = await world.connect(port)
        client.send(request(b"GET", b"/health"))
        assert (await client.read_response()).status == 200
        clients.append(client)
    assert {client.ended for client in clients} == {None, "close"}, "none was reset"
    gone = [client.ended is not None for client in clients]
    assert gone == sorted(gone, reverse=True), "the others were idle for less long"
    clients[-1].send(request(b"GET", b"/health"))
    assert (await clients[-1].read_response()).status == 200


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such limit")
@ensure_deferred
async def test_unused_connections_to_providers_give_way_first(world: World, tmp_path: Path) -> None:
    go: Deferred[None] = Deferred()
    upstream = world.upstream((Wait(go), *answer(200, b"one")))
    providers = f"providers: [{{name: one, base_url: '{upstream.base_url}', api_key: k}}]"
    (tmp_path / "claude-code.yaml").write_text(providers)
    port = await limited(world.program, tmp_path, 96)
    clients = [await world.connect(port) for _ in range(20)]
    for client in clients:
        client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
    for _ in clients:
        await upstream.next_request()
    go.callback(None)
    for client in clients:
        assert (await client.read_response()).body == b"one"
    assert len(upstream.open_connections) == 20
    clients += [await world.connect(port) for _ in range(12)]
    for client in clients:
        client.send(request(b"GET", b"/health"))
        assert (await client.read_response()).status == 200
    assert not [client for client in clients if client.ended]
    assert len(upstream.open_connections) < 20
    for client in clients:  # and each of them can be served, whatever was closed
        client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
    for client in clients:
        assert (await client.read_response()).body == b"one"
