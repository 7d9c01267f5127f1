"""Messages of TLS's own in the middle of a connection, from OpenSSL's `s_server`: Python's servers cannot send them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.task import deferLater

from clipal.transport.tls import TLSDialer, TLSHost
from clipal.transport.trust import tls_host
from tests.tls_world import Ours, TLSWorld
from tests.wirekit.fixtures import RunProgram
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.process import Program
from tests.wirekit.waiting import reactor
from tests.world import World

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")


async def started(run_program: RunProgram, tls_world: TLSWorld, directory: Path, *options: str) -> Program:
    """A server whose standard input goes to the client, but for commands: a letter at the beginning of a line."""
    file = directory / "server.pem"
    tls_world.authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(file))
    program = run_program(OPENSSL, "s_server", "-accept", "127.0.0.1:0", "-cert", file, *options)
    await program.wait_for_output("ACCEPT 127.0.0.1:")
    return program


async def connected(program: Program, to: TLSHost) -> Ours:
    port = re.search(rb"ACCEPT 127.0.0.1:(\d+)", program.stdout)
    assert port is not None
    endpoint = TCP4ClientEndpoint(TLSDialer(reactor, to), "127.0.0.1", int(port[1]))
    ours: Ours = await connectProtocol(endpoint, Ours())
    return ours


async def obeyed(server: Program, ours: Ours, command: bytes) -> None:
    """Gives a command and waits for it. The server flushes its output only when something comes from the client."""
    del server.stdout[:]
    server.transport.writeToChild(0, command)
    for _ in range(500):
        ours.send(b"are you there?\n")
        await deferLater(reactor, 0.01, lambda: None)
        if b"SSL_do_handshake -> 1" in server.stdout:
            return
    raise AssertionError(f"not done within 5 s: {bytes(server.stdout)!r}")


@ensure_deferred
async def test_both_sides_keys_are_updated(world: World, tls_world: TLSWorld, tmp_path: Path) -> None:
    """RFC 8446, 4.6.3; a request to update our key is answered though there is nothing else to send."""
    server = await started(world.program, tls_world, tmp_path)
    ours = await connected(server, tls_world.host())
    for number in range(3):
        await obeyed(server, ours, b"K\n")
        server.transport.writeToChild(0, b"after %d\n" % number)
        await ours.wait_for(b"after %d\n" % number)
        ours.send(b"answer %d\n" % number)
        await server.wait_for_output(f"answer {number}")
    assert ours.ended is None
    ours.abort()
    await ours.closed()


@ensure_deferred
async def test_renegotiation_is_refused(
    world: World, tls_world: TLSWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is optional in TLS 1.2 (RFC 5246, 7.4.1.1), and no longer there in TLS 1.3."""
    server = await started(world.program, tls_world, tmp_path, "-tls1_2")
    tls_world.authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    ours = await connected(server, tls_host("localhost"))
    server.transport.writeToChild(0, b"r\n")
    await server.wait_for_output("no renegotiation")
    await ours.closed()
