"""`clipal upgrade`: a new process takes the place of the old one, and nothing is lost."""

from __future__ import annotations

import signal
import stat
import sys
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from soak.processes import children
from tests.program.test_process import CLIPAL, arguments, configure, printed
from tests.program.test_workers import replaced, started, status_of
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.process import free_port
from tests.wirekit.steps import Send, Wait, answer, chunk, chunked
from tests.wirekit.waiting import reactor
from tests.world import World

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

POST = request(b"POST", b"/claudecode/v1/messages", body=b'{"stream":true}')
UPGRADE = (*CLIPAL, "upgrade")


@ensure_deferred
async def test_the_new_process_goes_on_where_the_old_one_ends(world: World, tmp_path: Path) -> None:
    go: Deferred[None] = Deferred()
    long = (*chunked(b"begin", last=False), Wait(go), Send(chunk(b"end") + b"0\r\n\r\n"))
    configure(tmp_path, world.upstream(long, *[answer(200, b"served")] * 500).base_url)
    (tmp_path / "config.yaml").write_text("drain_timeout: 30s\n")
    port = free_port()
    old = world.program(*CLIPAL, *arguments(tmp_path, port))
    await old.wait_for_output("Listening on")
    offered = tmp_path / f"upgrade-{port}.sock"
    assert stat.S_IMODE(offered.stat().st_mode) == 0o600
    stream, busy = await world.connect(port), await world.connect(port)
    stream.send(POST)
    await stream.wait_for(b"begin")
    new = world.program(*UPGRADE, *arguments(tmp_path, port))
    handed_over = old.wait_for_output("A new process goes on")
    while not handed_over.called:
        busy.send(POST)
        assert (await busy.read_response()).body == b"served"
        await deferLater(reactor, 0.02)
    busy.send(POST)  # on the old one's connection, which says that it is the last one
    last = await busy.read_response()
    assert (last.body, last.values(b"connection")) == (b"served", [b"close"])
    fresh = await world.connect(port)
    fresh.send(POST)
    assert (await fresh.read_response()).body == b"served"
    go.callback(None)
    assert (await stream.read_response()).body == b"beginend"
    assert (await old.ended()).code == 0
    assert printed(old).rstrip().endswith("Stopped; no open request was cut")
    assert offered.exists(), "the new one's"
    assert (await status_of(world, port))["state"] == "serving"
    new.signal(signal.SIGTERM)
    assert (await new.ended()).code == 0
    assert not offered.exists()


@ensure_deferred
async def test_sockets_with_files_are_handed_over_thrice(world: World, tmp_path: Path) -> None:
    path = tmp_path / "s"
    (tmp_path / "config.yaml").write_text(f"listen: ['unix:{path}']\nstatus_listen: unix:{tmp_path / 't'}\n")
    running = world.program(*CLIPAL, "--config-dir", tmp_path)
    await running.wait_for_output("Listening on")
    for _ in range(2):
        new = world.program(*UPGRADE, "--config-dir", tmp_path)
        await new.wait_for_output("Listening on")
        assert (await running.ended()).code == 0
        assert path.exists()
        assert (tmp_path / "t").exists()
        running = new
    asked = world.program(*CLIPAL, "status", "--url", f"unix:{path}", "--json")
    await asked.ended()
    assert '"state": "serving"' in printed(asked)
    running.signal(signal.SIGTERM)
    assert (await running.ended()).code == 0
    assert not path.exists()
    assert not (tmp_path / "t").exists()


@ensure_deferred
async def test_workers_are_replaced_without_a_reset(world: World, tmp_path: Path) -> None:
    refusing = world.upstream(*[answer(401, b"{}")] * 300)
    configure(tmp_path, refusing.base_url)
    program, port = await started(world, tmp_path)
    client = await world.connect(port)
    client.send(POST)
    await client.read_response()
    before = children(program.pid)
    upgrade = world.program(*UPGRADE, *arguments(tmp_path, port))
    assert (await upgrade.ended(30)).code == 0
    assert "All workers run the installed code" in printed(upgrade)
    await replaced(program, tmp_path, before)
    status = await status_of(world, port)
    assert status["clients"]["claudecode"]["providers"][0]["health"] == "open"


@ensure_deferred
async def test_under_systemd_it_names_systemctl(world: World, tmp_path: Path) -> None:
    port = free_port()
    running = world.program(*CLIPAL, *arguments(tmp_path, port), env={"NOTIFY_SOCKET": str(tmp_path / "none")})
    await running.wait_for_output("Listening on")
    upgrade = world.program(*UPGRADE, *arguments(tmp_path, port))
    assert (await upgrade.ended()).code == 1
    assert "systemctl restart" in printed(upgrade)
    assert running.exit is None


@ensure_deferred
async def test_without_a_clipal_that_runs_it_says_so(world: World, tmp_path: Path) -> None:
    upgrade = world.program(*UPGRADE, *arguments(tmp_path, free_port()))
    assert (await upgrade.ended()).code == 1
    assert printed(upgrade).startswith("clipal: there is nothing to upgrade")
