"""Clients that ask without pause, and know what they got."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from itertools import count
from random import Random

from attrs import define, field

from soak.providers import text_of
from soak.wire import Answer, Cut, read_answer, read_head, request

PATHS = {
    "claudecode": "/claudecode/v1/messages",
    "codex": "/codex/v1/responses",
    "gemini": "/gemini/v1beta/models/m:generateContent",
}


@define
class Got:
    """What came of the requests, by number: `whole`, `cut`, `empty`, or the status of an error."""

    results: dict[str, str] = field(factory=dict)
    wrong: list[str] = field(factory=list)
    kinds: Counter[str] = field(factory=Counter)


class Clients:
    """All of them; `stop` lets each finish what it asks."""

    def __init__(self, port: int, random: Random) -> None:
        self.got = Got()
        self.stopping = False
        self._port = port
        self._random = random
        self._numbers = count(1)

    async def run(self, workers: int) -> None:
        """Asks with so many at a time, until it is stopped."""
        await asyncio.gather(*(self._work(number) for number in range(workers)))

    async def _work(self, worker: int) -> None:
        while not self.stopping:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**24)
            except OSError as error:
                self.got.wrong.append(f"no connection: {error}")
                await asyncio.sleep(0.1)
                continue
            try:
                if worker == 0:
                    await self._websocket(reader, writer)
                else:
                    await self._ask_some(reader, writer)
            finally:
                writer.close()

    async def _ask_some(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Asks over one connection, as long as it is there."""
        for _ in range(self._random.randint(1, 20)):
            if not await self._ask(reader, writer):
                break
            if self.stopping:
                break

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection may be used again."""
        number = f"r{next(self._numbers)}"
        client = self._random.choice(list(PATHS))
        stream = client != "gemini" and self._random.random() < 0.6
        size = self._random.choice([0, 0, 0, 0, 30_000, 30_000, 2_000_000])
        body = json.dumps({"stream": stream}).encode() + b"\n" + b" " * size
        fields = [("X-Soak", number), ("Content-Type", "application/json"), ("x-api-key", "any")]
        kind = f"{client} {'stream' if stream else 'JSON'}{' with 2 MB' if size > 1_000_000 else ''}"
        self.got.kinds[kind] += 1
        try:
            writer.write(request("POST", PATHS[client], fields, body))
            await writer.drain()
            found = await asyncio.wait_for(read_answer(reader), 60)
        except (Cut, ConnectionError):
            self.got.results[number] = "nothing"
            return False
        except asyncio.TimeoutError:  # another one before Python 3.11
            self.got.wrong.append(f"{number}: no answer in 60 s")
            return False
        self.got.results[number] = self._judge(number, found, stream=stream)
        return found.whole

    def _judge(self, number: str, found: Answer, *, stream: bool) -> str:
        if not found.whole:
            return "cut"
        if found.status != 200:
            return str(found.status)
        for beginning, error in ((b"<!DOCTYPE", "a page"), (b"event: error", "an error event")):
            if found.body.startswith(beginning):
                return error  # of the only provider that could be asked: its own answer, whatever it is
        if not found.body:
            return "empty"  # likewise
        length = 100 if stream else 4000
        text = json.dumps(text_of(number, length)).encode()
        if found.body.count(text) != (8 if stream else 1) or (stream and b'"message_stop"' not in found.body):
            self.got.wrong.append(f"{number}: looks whole, and is not what was sent ({len(found.body)} bytes)")
        return "whole"

    async def _websocket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A handshake; where it is accepted, bytes both ways, and the end."""
        number = f"w{next(self._numbers)}"
        self.got.kinds["codex WebSocket"] += 1
        upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
        key = [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("X-Soak", number)]
        writer.write(request("GET", PATHS["codex"], [*upgrade, *key]).replace(b"Content-Length: 0\r\n", b""))
        try:
            head = await asyncio.wait_for(read_head(reader), 60)
            if head.line[1] == "101":
                for _ in range(20):
                    data = self._random.randbytes(2000)
                    writer.write(data)
                    if await asyncio.wait_for(reader.readexactly(len(data)), 20) != data:
                        self.got.wrong.append(f"{number}: other bytes than were sent")
                self.got.results[number] = "whole"
            else:
                self.got.results[number] = head.line[1]
        except (Cut, ConnectionError, asyncio.IncompleteReadError):
            self.got.results[number] = "cut"
        writer.close()
