"""Three clipals behind HAProxy, of which one is ended under load: `python -m soak.pool`, where haproxy is installed.

30 clients ask over connections that stay open and 12 read streams of 7 seconds. Counted is what the clients got.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from attrs import define, field

from soak.ports import free_port, listening
from soak.wire import Answer, Cut, answer, read_answer, read_head, request

ROOT = Path(__file__).resolve().parent.parent
CONFIG = """listen: ["haproxy:tcp:{port}:interface=127.0.0.1"]
protected_mode: false
drain_timeout: 60s
log_stdout: false
log_level: warn
"""
CLIENT = "providers:\n- {{name: one, base_url: 'http://127.0.0.1:{port}', api_key: sk-soak, priority: 1}}\n"
ENDED = "two"
EVENTS = {"SIGTERM": signal.SIGTERM, "SIGKILL": signal.SIGKILL}
_PIECES, _EACH = 14, 0.5
"""Of a stream, and the seconds for each."""
_BODY = 60_000
_BACK = 3.0
"""Seconds until the instance that ended is there again."""


@define
class Counted:
    """What clients got: `whole`, `cut`, or a status; of streams with the instance that answered."""

    requests: Counter[str] = field(factory=Counter)
    streams: Counter[tuple[str, str]] = field(factory=Counter)


@define
class Instance:
    """A clipal, with a provider that says whose it is.

    Attributes:
        seconds: how long it took to end.
    """

    name: str
    port: int
    directory: Path
    process: asyncio.subprocess.Process | None = None
    seconds: float = 0.0

    async def start(self) -> None:
        """Starts clipal, and waits until it serves."""
        words = ("-m", "clipal", "--config-dir", str(self.directory))
        self.process = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT)
        await listening(self.port)

    async def end(self, event: str) -> None:
        """Sends the signal, and waits for the end."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(EVENTS[event])
        await self.process.wait()
        self.seconds = time.monotonic() - began


async def provide(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
    """Serves one connection as a provider; every answer names the instance."""
    try:
        while True:
            head = await read_head(reader)
            body = await reader.readexactly(int(head.fields.get("content-length", "0")))
            if not body.startswith(b'{"stream": true'):
                writer.write(
                    answer(200, [("Content-Type", "application/json")], json.dumps({"content": name}).encode())
                )
                continue
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in range(_PIECES):
                kind = "message_start" if not number else "content_block_delta"
                event = f"event: {kind}\ndata: {json.dumps({'type': kind, 'from': name})}\n\n".encode()
                writer.write(b"%x\r\n%s\r\n" % (len(event), event))
                await writer.drain()
                await asyncio.sleep(_EACH)
            writer.write(b"1f\r\nevent: message_stop\ndata: {}\n\n\n\r\n0\r\n\r\n")
    except (Cut, ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


class Clients:
    """All of them, each a session of its own."""

    def __init__(self, port: int) -> None:
        self.counted = Counted()
        self.stopping = False
        self._port = port

    async def ask(self, session: str) -> None:
        """Asks over a connection that stays open; one that ended is opened again."""
        while not self.stopping:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**24)
            try:
                while not self.stopping:
                    got, stays = await self._once(reader, writer, session, stream=False)
                    self.counted.requests[_result(got)] += 1
                    if not stays:
                        break
                    await asyncio.sleep(0.05)
            finally:
                writer.close()

    async def stream(self, session: str, delay: float) -> None:
        """Reads one stream after another, the first one after `delay` seconds."""
        await asyncio.sleep(delay)
        while not self.stopping:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**24)
            got, _ = await self._once(reader, writer, session, stream=True)
            found = re.search(rb'"from": "(\w+)"', b"" if got is None else got.body)
            self.counted.streams[_result(got), found[1].decode() if found else "nobody"] += 1
            writer.close()

    async def _once(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: str, *, stream: bool
    ) -> tuple[Answer | None, bool]:
        body = json.dumps({"stream": stream}).encode().ljust(_BODY)
        fields = [("x-claude-code-session-id", session), ("Content-Type", "application/json"), ("x-api-key", "any")]
        try:
            writer.write(request("POST", "/claudecode/v1/messages", fields, body))
            got = await read_answer(reader)
        except (Cut, ConnectionError):
            return None, False
        return got, got.whole and got.status == 200 and not reader.at_eof()


def _result(got: Answer | None) -> str:
    if got is None:
        return "no answer"
    return str(got.status) if got.status != 200 else "whole" if got.whole else "cut"


async def measure(event: str, seconds: float, directory: Path) -> tuple[Counted, float]:
    """What clients got while one of three got the signal, and how long that one took to end."""
    servers, instances = [], []
    for name in ("one", "two", "three"):
        serve = lambda reader, writer, name=name: provide(reader, writer, name)  # noqa: E731
        servers.append(await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**24))
        place = directory / name
        place.mkdir()
        port = free_port()
        (place / "config.yaml").write_text(CONFIG.format(port=port))
        (place / "claude-code.yaml").write_text(CLIENT.format(port=servers[-1].sockets[0].getsockname()[1]))
        for file in place.iterdir():
            file.chmod(0o600)
        instances.append(Instance(name, port, place))
    await asyncio.gather(*(each.start() for each in instances))
    front = free_port()
    (directory / "haproxy.cfg").write_text(configured(front, {each.name: each.port for each in instances}))
    haproxy = await asyncio.create_subprocess_exec(_program(), "-db", "-f", str(directory / "haproxy.cfg"))
    await listening(front)
    clients = Clients(front)
    asking = [asyncio.ensure_future(clients.ask(f"session-{number}")) for number in range(30)]
    asking += [
        asyncio.ensure_future(clients.stream(f"stream-{number}", number * _PIECES * _EACH / 12)) for number in range(12)
    ]
    ended = next(each for each in instances if each.name == ENDED)
    await asyncio.sleep(seconds / 3)
    await ended.end(event)
    await asyncio.sleep(_BACK)
    await ended.start()
    await asyncio.sleep(seconds / 3)
    clients.stopping = True
    await asyncio.gather(*asking)
    for process in (haproxy, *(each.process for each in instances)):
        assert process is not None
        process.kill()
        await process.wait()
    for server in servers:
        server.close()
    return clients.counted, ended.seconds


def configured(front: int, ports: dict[str, int]) -> str:
    """`examples/haproxy.cfg` at other ports."""
    text = (ROOT / "examples" / "haproxy.cfg").read_text()
    text = text.replace("bind 127.0.0.1:3333", f"bind 127.0.0.1:{front}")
    for name, port in ports.items():
        text = re.sub(rf"(server {name}\s+127\.0\.0\.1):\d+", rf"\1:{port}", text)
    return text


def _program() -> str:
    found = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise SystemExit("haproxy is not installed")
    return found


def main() -> int:
    """Measures both events; the status is 1 where more was lost than may be."""
    parser = argparse.ArgumentParser(prog="python -m soak.pool")
    parser.add_argument("--seconds", type=float, default=24.0, help="for each event, besides the drain")
    seconds = parser.parse_args().seconds
    bad = False
    for event in EVENTS:
        with tempfile.TemporaryDirectory() as directory:
            counted, took = asyncio.run(measure(event, seconds, Path(directory)))
        streams = ", ".join(
            f"{count} {result} from {name}" for (result, name), count in sorted(counted.streams.items())
        )
        requests = ", ".join(f"{count} {result}" for result, count in sorted(counted.requests.items()))
        print(f"{event} of {ENDED}, which ended after {took:.1f} s\n  requests: {requests}\n  streams: {streams}")
        lost = {name for (result, name) in counted.streams if result != "whole"}
        if event == "SIGTERM":
            bad |= bool(lost) or set(counted.requests) != {"whole"}
        else:
            bad |= not lost <= {ENDED, "nobody"}
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
