"""What is done to a clipal that serves: each event lasts as long as it is repeated, and leaves a clipal that serves."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from soak.ports import free_port
from soak.processes import children, has_reactor
from soak.service_load import Load

_ACTIVATED = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="clipal")
os.execv(sys.executable, [sys.executable, "-m", "clipal", *sys.argv[2:]])
"""


class Instance:
    """One clipal with a directory of its own."""

    def __init__(self, directory: Path, provider: int, settings: str) -> None:
        self.directory = directory
        self.port = free_port()
        directory.mkdir()
        (directory / "config.yaml").write_text(
            settings.format(port=self.port, directory=directory) + "log_stdout: false\ndrain_timeout: 60s\n"
        )
        (directory / "claude-code.yaml").write_text(
            f"providers:\n- {{name: one, base_url: 'http://127.0.0.1:{provider}', api_key: key-of-one}}\n"
        )
        for path in directory.iterdir():
            path.chmod(0o600)
        self.program: subprocess.Popen[bytes]

    async def start(self, *words: str) -> None:
        """Starts it, and waits until it serves."""
        self.program = subprocess.Popen([sys.executable, "-m", "clipal", *words, "--config-dir", str(self.directory)])
        await self.logged("Listening on", 1)

    async def start_activated(self, listening: socket.socket) -> None:
        """Starts it as systemd does, with a socket that listens."""
        number = listening.fileno()
        words = [sys.executable, "-c", _ACTIVATED, str(number), "--config-dir", str(self.directory)]
        lines = self.count("Listening on")
        self.program = subprocess.Popen(words, pass_fds=[number])
        await self.logged("Listening on", lines + 1)

    def count(self, text: str) -> int:
        """How often its log says so."""
        return sum(each.read_text().count(text) for each in (self.directory / "logs").glob("*"))

    async def logged(self, text: str, times: int) -> None:
        """Waits until its log has said so as often."""
        for _ in range(600):
            if self.count(text) >= times:
                return
            await asyncio.sleep(0.1)
        raise SystemExit(f"the log never says {text!r}")

    def signal(self, number: int) -> None:
        """Sends it to the process, or to the parent of workers."""
        self.program.send_signal(number)

    async def end(self) -> None:
        """Lets it drain, and waits."""
        self.signal(signal.SIGTERM)
        await ended(self.program)

    def started(self) -> set[int]:
        """The processes that it has started."""
        return children(self.program.pid)

    def workers(self) -> set[int]:
        """Those of them that serve."""
        logs = "".join(each.read_text() for each in (self.directory / "logs").glob("*"))
        return self.started() & set(map(int, re.findall(r" serves \((\d+)\)", logs)))


async def ended(program: subprocess.Popen[bytes]) -> None:
    """Waits for its end."""
    while program.poll() is None:
        await asyncio.sleep(0.05)


async def hang_up(instance: Instance, load: Load) -> str:
    """SIGHUP."""
    instance.signal(signal.SIGHUP)
    await asyncio.sleep(2)
    return ""


async def rotate(instance: Instance, load: Load) -> str:
    """The log is moved away."""
    for log in (instance.directory / "logs").glob("*.log"):
        log.rename(log.with_suffix(f".{time.monotonic_ns()}"))
    instance.signal(signal.SIGUSR1)
    await asyncio.sleep(2)
    return ""


async def renew(instance: Instance, load: Load) -> str:
    """Another certificate."""
    make_certificate(instance.directory)
    instance.signal(signal.SIGHUP)
    await asyncio.sleep(2)
    return ""


def make_certificate(directory: Path) -> None:
    """A new key and certificate."""
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout new.key -out new.pem"
    subprocess.run(words.split(), cwd=directory, check=True, capture_output=True)
    for name in ("new.key", "new.pem"):
        (directory / name).replace(directory / name.replace("new", "tls"))


async def upgrade(instance: Instance, load: Load) -> str:
    """`clipal upgrade`: a new process goes on."""
    old, lines = instance.program, instance.count("Listening on")
    words = [sys.executable, "-m", "clipal", "upgrade", "--config-dir", str(instance.directory)]
    instance.program = subprocess.Popen(words)
    await instance.logged("Listening on", lines + 1)
    await ended(old)
    return ""


async def roll(instance: Instance, load: Load) -> str:
    """SIGHUP to the parent, twice in a row."""
    for _ in range(2):
        lines = instance.count("All workers have begun afresh")
        instance.signal(signal.SIGHUP)
        await instance.logged("All workers have begun afresh", lines + 1)
    await asyncio.sleep(1)
    return ""


async def kill_worker(instance: Instance, load: Load) -> str:
    """SIGKILL to one worker, when the spare process has loaded the program; how long the worker's place was empty."""
    while not any(map(has_reactor, instance.started() - instance.workers())):
        await asyncio.sleep(0.1)
    serving = instance.count(" serves (")
    load.killed = time.monotonic()
    os.kill(min(instance.workers()), signal.SIGKILL)
    await instance.logged(" serves (", serving + 1)
    return f"another one served {time.monotonic() - load.killed:.1f} s later"


class Activated(Instance):
    """One whose socket somebody else holds, as systemd does."""

    def listen(self) -> socket.socket:
        """Makes the socket."""
        self.listening = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        return self.listening

    async def start(self, *words: str) -> None:
        await self.start_activated(self.listen())


async def restart(instance: Instance, load: Load) -> str:
    """As systemd restarts it: the old one ends before the new one begins, and the socket stays."""
    assert isinstance(instance, Activated)
    await instance.end()
    await instance.start_activated(instance.listening)
    await asyncio.sleep(1)
    return ""


class Pool(Instance):
    """Three clipals behind HAProxy, by examples/haproxy.cfg."""

    def __init__(self, directory: Path, provider: int, settings: str) -> None:
        directory.mkdir()
        self.directory = directory
        self.port = free_port()
        behind = "listen: ['haproxy:tcp:{port}:interface=127.0.0.1']\nprotected_mode: false\n"
        self.instances = [Instance(directory / str(number), provider, behind) for number in range(3)]

    async def start(self, *words: str) -> None:
        for each in self.instances:
            await each.start()
        text = Path("examples/haproxy.cfg").read_text().replace("127.0.0.1:3333", f"127.0.0.1:{self.port}")
        for number, each in enumerate(self.instances):
            text = text.replace(f"127.0.0.1:{3341 + number}", f"127.0.0.1:{each.port}")
        (self.directory / "haproxy.cfg").write_text(text)
        self.program = subprocess.Popen(["haproxy", "-db", "-f", str(self.directory / "haproxy.cfg")])
        await asyncio.sleep(3)

    async def end(self) -> None:
        self.program.kill()
        self.program.wait()
        for each in self.instances:
            await each.end()


async def end_one(pool: Instance, load: Load) -> str:
    """SIGTERM to one, which begins again when it has ended."""
    assert isinstance(pool, Pool)
    victim = pool.instances[0]
    await victim.end()
    lines = victim.count("Listening on")
    victim.program = _again(victim)
    await victim.logged("Listening on", lines + 1)
    await asyncio.sleep(3)
    return ""


async def kill_one(pool: Instance, load: Load) -> str:
    """SIGKILL to one, which begins again after three seconds."""
    assert isinstance(pool, Pool)
    victim = pool.instances[0]
    lines = victim.count("Listening on")
    load.killed = time.monotonic()
    victim.program.kill()
    victim.program.wait()
    await asyncio.sleep(3)
    victim.program = _again(victim)
    await victim.logged("Listening on", lines + 1)
    return ""


def _again(instance: Instance) -> subprocess.Popen[bytes]:
    words: Sequence[str] = [sys.executable, "-m", "clipal", "--config-dir", str(instance.directory)]
    return subprocess.Popen(words)
