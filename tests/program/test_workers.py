"""Several processes on one socket: what they share, how they are replaced, and that nothing is lost by it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from soak.processes import children, has_reactor
from tests.program.test_process import CLIPAL, TWISTD, arguments, configure, log_of, printed, until
from tests.wirekit.client import RawClient, request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.process import Program, free_port
from tests.wirekit.steps import Send, Wait, answer, chunk, chunked
from tests.wirekit.waiting import reactor
from tests.world import World

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

POST = request(b"POST", b"/claudecode/v1/messages", body=b'{"stream":true}')


async def started(world: World, directory: Path, *way: str, settings: str = "") -> tuple[Program, int]:
    """A clipal with two workers, both of which serve; and its port."""
    (directory / "config.yaml").write_text(f"workers: 2\n{settings}")
    port = free_port()
    program = world.program(*(way or CLIPAL), *arguments(directory, port), cwd=directory)
    await program.wait_for_output("Listening on 127.0.0.1:", 30)
    return program, port


def workers(pid: int, directory: Path) -> set[int]:
    """The children of a process that have come to serve, which a spare one has not."""
    return children(pid) & set(map(int, re.findall(r"Worker \d+ serves \((\d+)\)", log_of(directory))))


async def on_each(world: World, port: int) -> list[RawClient]:
    """A connection to each of the two workers: the ids of requests tell them apart."""
    found: dict[bytes, RawClient] = {}
    for _ in range(200):
        client = await world.connect(port)
        client.send(request(b"GET", b"/nowhere"))
        (number,) = (await client.read_response()).values(b"x-request-id")
        found.setdefault(number.partition(b"-")[0], client)
        if len(found) == 2:
            return list(found.values())
        await deferLater(reactor, 0.01)
    raise AssertionError("all connections came to one worker")


async def status_of(world: World, port: int) -> Any:
    client = await world.connect(port)
    client.send(request(b"GET", b"/status"))
    return json.loads((await client.read_response()).body)


async def replaced(program: Program, directory: Path, before: set[int]) -> None:
    """Waits until no process is left of those `before`, and two serve."""
    await until(lambda: not children(program.pid) & before and len(workers(program.pid, directory)) == 2)


def rested(status: Any) -> str:
    found: str = status["clients"]["claudecode"]["providers"][0]["health"]
    return found


@pytest.mark.parametrize("way", [CLIPAL, (*TWISTD, "-n", "--pidfile=", "clipal")], ids=["clipal", "twistd -n clipal"])
@ensure_deferred
async def test_two_workers_serve_and_end_together(way: tuple[str, ...], world: World, tmp_path: Path) -> None:
    program, port = await started(world, tmp_path, *way)
    for client in await on_each(world, port):
        client.send(POST)
        assert (await client.read_response()).status == 503
    started_by_it = children(program.pid)
    assert len(workers(program.pid, tmp_path)) == 2
    await deferLater(reactor, 1)  # as old may what is known of the other one be
    status = await status_of(world, port)
    assert (status["workers"], status["clients"]["claudecode"]["requests"]) == (2, 2)
    program.signal(signal.SIGTERM)
    assert (await program.ended(30)).code == 0
    assert printed(program).rstrip().endswith("Stopped; no open request was cut")
    assert not any(Path(f"/proc/{each}").exists() for each in started_by_it)
    assert "Traceback" not in log_of(tmp_path)


@ensure_deferred
async def test_a_daemon_has_workers(world: World, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("workers: 2\n")
    port, pidfile = free_port(), tmp_path / "pid"
    twistd = world.program(*TWISTD, f"--pidfile={pidfile}", "clipal", *arguments(tmp_path, port), cwd=tmp_path)
    await twistd.ended()
    await until(lambda: "Listening on" in log_of(tmp_path))
    pid = int(pidfile.read_text())
    try:
        assert len(workers(pid, tmp_path)) == 2
        assert (await status_of(world, port))["workers"] == 2
    finally:
        os.kill(pid, signal.SIGTERM)
        await until(lambda: not Path(f"/proc/{pid}").exists())


@ensure_deferred
async def test_what_one_worker_learns_all_know(world: World, tmp_path: Path) -> None:
    """The first provider refuses its key in one worker; the other one does not ask it any more."""
    refusing = world.upstream(answer(401, b"{}"), *[answer(200, b"one")] * 9)
    good = world.upstream(*[answer(200, b"two")] * 300)
    configure_two(tmp_path, refusing.base_url, good.base_url)
    _, port = await started(world, tmp_path)
    for client in await on_each(world, port):
        client.send(POST)
        assert (await client.read_response()).body == b"two", log_of(tmp_path)
        await deferLater(reactor, 0.5)
    assert len(refusing.requests) == 1
    status = await status_of(world, port)
    assert (rested(status), status["clients"]["claudecode"]["preferred"]) == ("open", "two")


def configure_two(directory: Path, *base_urls: str) -> None:
    providers = [
        f"  - name: {name}\n    base_url: {url}\n    api_key: key-of-{name}\n    priority: {at}\n"
        for at, (name, url) in enumerate(zip(("one", "two"), base_urls, strict=True), 1)
    ]
    (directory / "claude-code.yaml").write_text("providers:\n" + "".join(providers))


@ensure_deferred
async def test_a_killed_worker_is_replaced_and_what_it_counted_stays(world: World, tmp_path: Path) -> None:
    upstream = world.upstream(*[answer(200, b"served")] * 300)
    configure(tmp_path, upstream.base_url)
    program, port = await started(world, tmp_path)
    before, started_by_it = workers(program.pid, tmp_path), children(program.pid)
    for client in await on_each(world, port):
        client.send(POST)
        assert (await client.read_response()).status == 200
    (spare,) = started_by_it - before
    await until(lambda: has_reactor(spare))
    await deferLater(reactor, 1)
    counted = (await status_of(world, port))["clients"]["claudecode"]["requests"]
    (victim, *_) = before
    os.kill(victim, signal.SIGKILL)
    killed = monotonic()
    await until(lambda: len(workers(program.pid, tmp_path) - {victim}) == 2)
    assert monotonic() - killed < 2
    assert workers(program.pid, tmp_path) <= started_by_it, "a spare process was there, which had loaded everything"
    await until(lambda: printed(program).count(" serves (") == 3)
    assert (await status_of(world, port))["clients"]["claudecode"]["requests"] == counted
    assert "ended by signal 9; another one starts now" in printed(program)


@ensure_deferred
async def test_a_roll_replaces_all_and_cuts_nothing(world: World, tmp_path: Path) -> None:
    """SIGHUP, and again while the first roll is under way: no worker of before is left, and there are two."""
    go: Deferred[None] = Deferred()
    long = (*chunked(b"begin", last=False), Wait(go), Send(chunk(b"end") + b"0\r\n\r\n"))
    upstream = world.upstream(long, *[answer(200, b"served")] * 500)
    configure(tmp_path, upstream.base_url)
    program, port = await started(world, tmp_path, settings="drain_timeout: 30s\n")
    before = children(program.pid)
    stream, idle = await world.connect(port), await world.connect(port)
    stream.send(POST)
    await stream.wait_for(b"begin")
    program.signal(signal.SIGHUP)
    await until(lambda: len(children(program.pid) - before) == 1)
    program.signal(signal.SIGHUP)
    for _ in range(100):
        idle.send(POST)
        response = await idle.read_response()
        assert (response.status, response.body) == (200, b"served")
        if b"close" in response.values(b"connection"):
            idle = await world.connect(port)
        await deferLater(reactor, 0.02)
    await program.wait_for_output("All workers have begun afresh", 30)
    go.callback(None)
    assert (await stream.read_response()).body == b"beginend"
    await replaced(program, tmp_path, before)
    assert (await status_of(world, port))["workers"] == 2


@ensure_deferred
async def test_a_reset_reaches_what_the_workers_know_in_common(world: World, tmp_path: Path) -> None:
    refusing = world.upstream(*[answer(401, b"{}")] * 300)
    configure(tmp_path, refusing.base_url)
    program, port = await started(world, tmp_path)
    for client in await on_each(world, port):
        client.send(POST)
        assert (await client.read_response()).status != 200
    await deferLater(reactor, 1)
    assert rested(await status_of(world, port)) == "open"
    before = children(program.pid)
    program.signal(signal.SIGHUP)
    await program.wait_for_output("All workers have begun afresh", 30)
    await replaced(program, tmp_path, before)
    assert rested(await status_of(world, port)) == "closed"


@ensure_deferred
async def test_a_wrong_configuration_replaces_no_worker(world: World, tmp_path: Path) -> None:
    program, port = await started(world, tmp_path)
    before = children(program.pid)
    (tmp_path / "claude-code.yaml").write_text("providers: 7\n")
    program.signal(signal.SIGHUP)
    await program.wait_for_output("The configuration stays as it was")
    assert children(program.pid) == before
    assert (await status_of(world, port))["state"] == "serving"


@ensure_deferred
async def test_workers_whose_parent_is_gone_drain_and_end(world: World, tmp_path: Path) -> None:
    go: Deferred[None] = Deferred()
    long = (*chunked(b"begin", last=False), Wait(go), Send(chunk(b"end") + b"0\r\n\r\n"))
    configure(tmp_path, world.upstream(long).base_url)
    program, port = await started(world, tmp_path)
    started_by_it = children(program.pid)
    stream = await world.connect(port)
    stream.send(POST)
    await stream.wait_for(b"begin")
    program.signal(signal.SIGKILL)
    await deferLater(reactor, 0.3)
    go.callback(None)
    assert (await stream.read_response()).body == b"beginend"
    await until(lambda: not any(running(each) for each in started_by_it))


def running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@ensure_deferred
async def test_a_second_signal_cuts_what_the_workers_have_open(world: World, tmp_path: Path) -> None:
    long = (*chunked(b"begin", last=False), Wait(Deferred()))
    configure(tmp_path, world.upstream(long).base_url)
    program, port = await started(world, tmp_path)
    stream = await world.connect(port)
    stream.send(POST)
    await stream.wait_for(b"begin")
    program.signal(signal.SIGTERM)
    await program.wait_for_output("Waiting for 2 workers")
    program.signal(signal.SIGTERM)
    assert (await program.ended()).code == 0
    assert printed(program).rstrip().endswith("Stopped; 1 open request was cut")


@ensure_deferred
async def test_workers_serve_on_unix_sockets_whose_files_the_parent_removes(world: World, tmp_path: Path) -> None:
    settings = f"listen: ['unix:{tmp_path / 's'}']\nstatus_listen: unix:{tmp_path / 't'}\n"
    (tmp_path / "config.yaml").write_text(f"workers: 2\n{settings}")
    program = world.program(*CLIPAL, "--config-dir", tmp_path)
    await program.wait_for_output("Listening on unix:", 30)
    before = children(program.pid)
    program.signal(signal.SIGHUP)
    await program.wait_for_output("All workers have begun afresh", 30)
    await replaced(program, tmp_path, before)
    for name in ("s", "t"):
        asked = subprocess.run(
            ["curl", "-s", "--unix-socket", str(tmp_path / name), "http://localhost/status"], capture_output=True
        )
        assert json.loads(asked.stdout)["workers"] == 2
    program.signal(signal.SIGTERM)
    assert (await program.ended()).code == 0
    assert not (tmp_path / "s").exists()
    assert not (tmp_path / "t").exists()


@ensure_deferred
async def test_one_worker_loads_nothing_of_this(world: World, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("workers: 1\n")
    names = ("parent", "worker", "process.workers", "process.control", "process.assignment", "providers.shared")
    program = (
        "import sys; from clipal import tap; options = tap.Options()\n"
        f"options.parseOptions(['--config-dir', {str(tmp_path)!r}, '--port', '{free_port()}'])\n"
        "tap.makeService(options)\n"
        f"print([each for each in {names!r} if f'clipal.{{each}}' in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
