"""The process: foreground, daemon, pidfile, signals, taken ports, bad configuration; with a real twistd."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.task import deferLater

from tests.wirekit.client import RawClient, request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.process import PYTHON, Program, free_port
from tests.wirekit.steps import Hang, Send, Wait, answer, chunk, chunked
from tests.wirekit.waiting import reactor
from tests.world import World

CLIPAL = (PYTHON, "-m", "clipal")
TWISTD = (PYTHON, "-c", "from twisted.scripts.twistd import run; run()")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and daemons are POSIX")


def configure(directory: Path, base_url: str = "http://127.0.0.1:1") -> None:
    (directory / "claude-code.yaml").write_text(
        f"providers:\n  - name: one\n    base_url: {base_url}\n    api_key: secret-key-of-one\n"
    )
    (directory / "claude-code.yaml").chmod(0o600)


def arguments(directory: Path, port: int) -> tuple[str, ...]:
    return ("--config-dir", str(directory), "--port", str(port))


def printed(program: Program) -> str:
    return (bytes(program.stdout) + bytes(program.stderr)).decode()


def log_of(directory: Path) -> str:
    return "".join(each.read_text() for each in (directory / "logs").glob("*"))


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await deferLater(reactor, 0.01)
    raise AssertionError("it never came true")


async def serving(program: Program) -> None:
    await program.wait_for_output("Listening on 127.0.0.1:")


async def in_a_stream(world: World, directory: Path, **environment: str) -> tuple[Program, RawClient]:
    """A clipal, and a client whose stream has begun and does not end."""
    configure(directory, world.upstream((*chunked(b"begin", last=False), Hang())).base_url)
    port = free_port()
    program = world.program(*CLIPAL, *arguments(directory, port), env=environment)
    await serving(program)
    client = await world.connect(port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b'{"stream":true}'))
    await client.wait_for(b"begin")
    return program, client


WAYS = {
    "clipal": (*CLIPAL,),
    "twistd -n clipal": (*TWISTD, "-n", "--pidfile=", "clipal"),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@ensure_deferred
async def test_it_serves_in_the_foreground_and_ends_with_0(
    way: tuple[str, ...], number: signal.Signals, world: World, tmp_path: Path
) -> None:
    port = free_port()
    program = world.program(*way, *arguments(tmp_path, port), cwd=tmp_path)
    await serving(program)
    client = await world.connect(port)
    client.send(request(b"GET", b"/health"))
    assert (await client.read_response()).body == b'{"status":"healthy"}'
    program.signal(number)
    ended = await program.ended()
    assert (ended.code, ended.signal) == (0, None)
    (log,) = (tmp_path / "logs").iterdir()
    assert "Listening on" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700


@ensure_deferred
async def test_it_drains_before_it_ends(world: World, tmp_path: Path) -> None:
    from twisted.internet.defer import Deferred

    go: Deferred[None] = Deferred()
    begun = (*chunked(b"begin", last=False), Wait(go), Send(chunk(b"end") + b"0\r\n\r\n"))
    upstream = world.upstream(begun, answer(200, b"served"))
    configure(tmp_path, upstream.base_url)
    port = free_port()
    program = world.program(*CLIPAL, *arguments(tmp_path, port))
    await serving(program)
    client, idle = await world.connect(port), await world.connect(port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b'{"stream":true}'))
    idle.send(request(b"GET", b"/health"))
    assert (await idle.read_response()).status == 200
    await client.wait_for(b"begin")
    program.signal(signal.SIGTERM)
    await program.wait_for_output("Waiting up to 10 s")
    idle.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
    served = await idle.read_response()
    assert (served.status, served.values(b"connection")) == (200, [b"close"])
    late = await world.connect(port)
    late.send(request(b"GET", b"/health"))
    assert (await late.read_response()).status == 503, "a pool sees that it drains"
    go.callback(None)
    response = await client.read_response()
    assert (response.body, response.complete) == (b"beginend", True)
    assert (await program.ended()).code == 0
    assert printed(program).rstrip().endswith("Stopped; no open request was cut")


@ensure_deferred
async def test_it_says_how_long_it_waits_and_what_it_cut(world: World, tmp_path: Path) -> None:
    """Where a supervisor started it, nobody waits at a keyboard: 10 minutes, unless `drain_timeout` says otherwise."""
    program, _ = await in_a_stream(world, tmp_path, NOTIFY_SOCKET=str(tmp_path / "nobody"))
    program.signal(signal.SIGTERM)
    await program.wait_for_output("Waiting up to 600 s")
    program.signal(signal.SIGTERM)
    assert (await program.ended()).code == 0
    assert printed(program).rstrip().endswith("Stopped; 1 open request was cut")


@ensure_deferred
async def test_the_drain_takes_no_longer_than_it_may(world: World, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("drain_timeout: 300ms\n")
    program, client = await in_a_stream(world, tmp_path)
    program.signal(signal.SIGTERM)
    assert (await program.ended()).code == 0
    assert not (await client.read_response()).complete


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@ensure_deferred
async def test_sigusr1_opens_the_log_anew_and_sigusr2_does_nothing(
    way: tuple[str, ...], world: World, tmp_path: Path
) -> None:
    port = free_port()
    program = world.program(*way, *arguments(tmp_path, port), cwd=tmp_path)
    await serving(program)
    await until(lambda: bool(log_of(tmp_path)))
    (log,) = (tmp_path / "logs").iterdir()
    rotated = log.rename(log.with_suffix(".old"))
    program.signal(signal.SIGUSR1)
    program.signal(signal.SIGUSR2)
    await until(log.exists)
    assert "Received SIGUSR1" in rotated.read_text() + log.read_text()
    program.signal(signal.SIGTERM)
    assert (await program.ended()).code == 0
    assert "Stopped" in log.read_text()


@ensure_deferred
async def test_a_second_signal_ends_the_waiting(world: World, tmp_path: Path) -> None:
    program, client = await in_a_stream(world, tmp_path)
    program.signal(signal.SIGINT)
    await program.wait_for_output("Waiting up to 10 s")
    program.signal(signal.SIGINT)
    assert (await program.ended()).code == 0
    assert not (await client.read_response()).complete
    (log,) = (tmp_path / "logs").iterdir()
    assert "1 open request was cut" in log.read_text()
    assert " ERROR " not in log.read_text()


@ensure_deferred
async def test_it_runs_as_a_daemon_with_a_pidfile(world: World, tmp_path: Path) -> None:
    port, pidfile = free_port(), tmp_path / "clipal.pid"
    program = world.program(*TWISTD, f"--pidfile={pidfile}", "clipal", *arguments(tmp_path, port), cwd=tmp_path)
    assert (await program.ended()).code == 0
    pid = int(pidfile.read_text())
    try:
        client = await world.connect(port)
        client.send(request(b"GET", b"/health"))
        assert (await client.read_response()).status == 200
        client.close()
        os.kill(pid, signal.SIGHUP)
        os.kill(pid, signal.SIGTERM)
        await until(lambda: not pidfile.exists())  # it ended and took its pidfile along
    finally:
        if pidfile.exists():
            os.kill(pid, signal.SIGKILL)
    (log,) = (tmp_path / "logs").iterdir()
    assert "Loaded the configuration" in log.read_text(), "SIGHUP reloads"
    assert "Stopped" in log.read_text()
    assert not (tmp_path / "twistd.log").exists()


@ensure_deferred
async def test_a_log_that_twistd_is_told_to_write_is_written_beside_our_own(world: World, tmp_path: Path) -> None:
    port, other = free_port(), tmp_path / "other.log"
    words = ("-n", "--pidfile=", f"--logfile={other}", "clipal", *arguments(tmp_path, port))
    program = world.program(*TWISTD, *words, cwd=tmp_path)
    await serving(program)
    client = await world.connect(port)
    client.send(request(b"GET", b"/health"))
    assert (await client.read_response()).status == 200
    program.signal(signal.SIGTERM)
    assert (await program.ended()).code == 0
    for log in (log_of(tmp_path), other.read_text()):
        assert log.count("Listening on 127.0.0.1:") == 1
        assert "Stopped" in log


HANGUPS = """
import os, signal, sys
from twisted.internet.base import ReactorBase

def hang_up():
    os.kill(os.getpid(), signal.SIGHUP)

def early(options):
    hang_up()
    service = make(options)
    hang_up()
    return service

def late(reactor, *event):
    hang_up()
    fire(reactor, *event)
    hang_up()

def serve():
    global make
    from clipal import tap
    make, tap.makeService = tap.makeService, early
    if sys.argv[1:2] == ["twistd"]:
        sys.argv.pop(1)
        from twisted.scripts.twistd import run
        run()
        return 0
    from clipal.__main__ import main
    return main()

fire, ReactorBase.fireSystemEvent = ReactorBase.fireSystemEvent, late
from clipal.process.early_signals import hold_signal
if sys.argv[1] == "twistd":
    hold_signal("SIGHUP")  # until it knows of clipal, twistd takes a SIGHUP as every program does
status = serve()
hang_up()
sys.exit(status)
"""
"""Serves, and sends itself a SIGHUP before and behind each of its phases."""


@pytest.mark.parametrize("way", [(), ("twistd", "-n", "--pidfile=", "clipal")], ids=WAYS.keys())
@ensure_deferred
async def test_sighup_ends_it_neither_early_in_its_start_nor_late_in_its_end(
    way: tuple[str, ...], world: World, tmp_path: Path
) -> None:
    port = free_port()
    program = world.program(PYTHON, "-c", HANGUPS, *way, *arguments(tmp_path, port), cwd=tmp_path)
    loaded = "Loaded the configuration; clients that begin afresh: /claudecode, /codex, /gemini"
    await program.wait_for_output(loaded, deadline=60.0)
    program.signal(signal.SIGTERM)
    ended = await program.ended()
    assert (ended.code, ended.signal) == (0, None)
    assert "Stopped" in printed(program)
    assert "Traceback" not in printed(program)


SLOW = """
import sys, time
from clipal.__main__ import main
from clipal.commands import serve

start = serve.startApplication

def slowly(*args):
    start(*args)
    time.sleep(0.5)

serve.startApplication = slowly
sys.exit(main())
"""
"""Serves, and lets time pass between the start of its services and the reactor's."""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@ensure_deferred
async def test_a_signal_behind_the_line_that_it_listens_ends_it(name: str, world: World, tmp_path: Path) -> None:
    program = world.program(PYTHON, "-c", SLOW, *arguments(tmp_path, free_port()), cwd=tmp_path)
    await serving(program)
    program.signal(getattr(signal, name))
    ended = await program.ended()
    assert (ended.code, ended.signal) == (0, None)
    assert "Stopped" in printed(program)


ENDS_EARLY = """
import os, signal, sys
from clipal.service import Clipal

def early(service):
    os.kill(os.getpid(), signal.SIGTERM)
    start(service)

start, Clipal.startService = Clipal.startService, early
if sys.argv[1] == "twistd":
    sys.argv.pop(1)
    from twisted.scripts.twistd import run
    run()
else:
    from clipal.__main__ import main
    sys.exit(main())
"""
"""Serves, and sends itself a SIGTERM before its services start, which a daemon does behind its fork."""


@pytest.mark.parametrize("way", [(), ("twistd", "-n", "--pidfile=", "clipal"), ("twistd", "--pidfile=pid", "clipal")])
@ensure_deferred
async def test_sigterm_that_came_before_it_ran_is_carried_out(
    way: tuple[str, ...], world: World, tmp_path: Path
) -> None:
    """A daemon that died of it would leave its pidfile, and twistd waiting for it in the terminal."""
    program = world.program(PYTHON, "-c", ENDS_EARLY, *way, *arguments(tmp_path, free_port()), cwd=tmp_path)
    ended = await program.ended()
    assert (ended.code, ended.signal) == (0, None)
    assert "Traceback" not in printed(program)
    await until(lambda: "Stopped" in log_of(tmp_path) and not (tmp_path / "pid").exists())


@ensure_deferred
async def test_sighup_that_came_before_a_daemon_ran_is_carried_out(world: World, tmp_path: Path) -> None:
    port, pidfile = free_port(), tmp_path / "clipal.pid"
    words = ("twistd", f"--pidfile={pidfile}", "clipal", *arguments(tmp_path, port))
    program = world.program(PYTHON, "-c", HANGUPS, *words, cwd=tmp_path)
    assert (await program.ended()).code == 0
    pid = int(pidfile.read_text())
    try:
        await until(lambda: "Loaded the configuration" in log_of(tmp_path))
        os.kill(pid, signal.SIGTERM)
        await until(lambda: not pidfile.exists())
    finally:
        if pidfile.exists():
            os.kill(pid, signal.SIGKILL)
    assert "Stopped" in log_of(tmp_path)


@pytest.mark.parametrize("way", [*WAYS.values(), (*TWISTD, "clipal")], ids=[*WAYS.keys(), "twistd clipal"])
@ensure_deferred
async def test_a_taken_port_is_an_error(way: tuple[str, ...], world: World, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        program = world.program(*way, *arguments(tmp_path, port), cwd=tmp_path)
        ended = await program.ended()
    assert ended.code == 1
    output = printed(program)
    assert f"clipal: cannot listen on 127.0.0.1:{port}: address already in use" in output
    assert "Traceback" not in output
    assert not (tmp_path / "twistd.pid").exists()


@pytest.mark.parametrize("way", [*WAYS.values(), (*TWISTD, "clipal")], ids=[*WAYS.keys(), "twistd clipal"])
@ensure_deferred
async def test_bad_configuration_is_an_error_before_any_daemon(
    way: tuple[str, ...], world: World, tmp_path: Path
) -> None:
    configure(tmp_path)
    with (tmp_path / "claude-code.yaml").open("a") as file:
        file.write("    prority: 2\n")
    program = world.program(*way, *arguments(tmp_path, free_port()), cwd=tmp_path)
    assert (await program.ended()).code == 1
    output = printed(program)
    assert f"clipal: {tmp_path}/claude-code.yaml:5: providers[0].prority: unknown key; did you mean priority?" in output
    assert "Traceback" not in output
    assert "secret" not in output
    assert not (tmp_path / "twistd.pid").exists()


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("--version",), 0, "clipal 0."),
        (("--help",), 0, "--config-dir"),
        (("--help",), 0, "demo"),
        (("frobnicate",), 2, "there is no command 'frobnicate'"),
        (("--frobnicate",), 2, "frobnicate"),
        (("--port", "x"), 2, "--port: must be a whole number"),
        (("--log-level", "loud"), 2, "--log-level: must be one of debug, info, warn, error"),
        (("--listen-addr", "example"), 2, "--listen-addr: must be an IP address"),
    ],
)
@ensure_deferred
async def test_the_command_line(words: tuple[str, ...], status: int, says: str, world: World, tmp_path: Path) -> None:
    program = world.program(*CLIPAL, *words, env={**os.environ, "CLIPAL_CONFIG_DIR": str(tmp_path)})
    assert (await program.ended()).code == status
    assert says in printed(program)
    assert "Traceback" not in printed(program)


HANGS = """
import socket, time
real = socket.getaddrinfo
def getaddrinfo(host, *rest, **options):
    if host == "provider.hangs":
        print("looking up", flush=True)
        time.sleep(600)
    return real(host, *rest, **options)
socket.getaddrinfo = getaddrinfo
"""


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@ensure_deferred
async def test_a_look_up_that_hangs_does_not_delay_its_end(way: tuple[str, ...], world: World, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HANGS)
    configure(tmp_path, "http://provider.hangs")
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    program = world.program(*way, *arguments(tmp_path, port), cwd=tmp_path, env=environment)
    await serving(program)
    client = await world.connect(port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
    await program.wait_for_output("looking up")
    client.abort()
    await program.wait_for_output("waiting for an answer")
    program.signal(signal.SIGTERM)
    ended = await program.ended()
    assert ended.code == 0
    assert "Traceback" not in printed(program)
