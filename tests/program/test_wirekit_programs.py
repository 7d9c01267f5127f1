"""The tests' own runner of real programs."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

import pytest
from twisted.internet.error import ConnectionRefusedError

from tests.wirekit.marks import ensure_deferred
from tests.wirekit.process import PYTHON, Exit, free_port, rss_kib
from tests.wirekit.steps import (
    answer,
)
from tests.wirekit.tls import Authority
from tests.wirekit.waiting import NeverError
from tests.world import World


@ensure_deferred
async def test_a_program_is_seen_to_print_and_to_end(world: World, tmp_path: Path) -> None:
    script = "import os, sys; print(os.environ['WORD'], os.getcwd()); print('err', file=sys.stderr); sys.exit(3)"
    program = world.program(PYTHON, "-c", script, env={"WORD": "word"}, cwd=tmp_path)
    await program.wait_for_output("word")
    await program.wait_for_output("err")
    assert await program.ended() == Exit(code=3, signal=None)
    assert program.stdout.decode() == f"word {tmp_path}\n"
    with pytest.raises(NeverError, match="code=3"):
        await program.wait_for_output("never")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@ensure_deferred
async def test_a_program_is_weighed_and_signalled(world: World) -> None:
    program = world.program(PYTHON, "-c", "import signal; print('up', flush=True); signal.pause()")
    await program.wait_for_output("up")
    assert 1000 < rss_kib(program.pid) < 1_000_000
    program.signal(signal.SIGTERM)
    assert await program.ended() == Exit(code=None, signal=signal.SIGTERM)


@ensure_deferred
async def test_a_program_is_killed_when_it_does_not_end(world: World) -> None:
    program = world.program(PYTHON, "-c", "import signal; print('up', flush=True); signal.pause()")
    await program.wait_for_output("up")
    await program.kill()
    assert program.exit == Exit(code=None, signal=signal.SIGKILL)


@ensure_deferred
async def test_a_program_that_still_runs_ends_with_the_test(world: World) -> None:
    program = world.program(PYTHON, "-c", "input('up')")
    await program.wait_for_output("up")
    assert program.exit is None


@ensure_deferred
async def test_a_program_that_left_another_one_behind_is_done_with(world: World) -> None:
    script = "import subprocess, sys; print('up'); subprocess.Popen([sys.executable, '-c', 'input()'])"
    program = world.program(PYTHON, "-c", script)
    await program.wait_for_output("up")
    await program.kill()
    assert program.exit is not None


@ensure_deferred
async def test_a_program_trusts_the_authority_by_its_environment(world: World, authority: Authority) -> None:
    upstream = world.upstream(answer(200, b"abc"), tls=authority.server)
    script = "import sys, urllib.request as u; sys.exit(u.urlopen(sys.argv[1]).read().decode())"
    program = world.program(PYTHON, "-c", script, upstream.base_url, env=authority.environment)
    await program.ended()
    assert program.stderr == b"abc\n"


@ensure_deferred
async def test_a_free_port_refuses_until_somebody_listens(world: World) -> None:
    port = free_port()
    with pytest.raises(ConnectionRefusedError):
        await world.connect(port)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", port))
        listening.listen()
        await world.connect(port)
