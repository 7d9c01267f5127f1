"""Providers that are well, or fail in one way for a while, and know what they were asked and what they finished."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from random import Random

from soak.wire import Cut, Head, answer, read_head

WAYS = (
    *["well"] * 6,
    "500",
    "503",
    "529",
    "429",
    "401",
    "404 of a proxy",
    "error event",
    "cut before content",
    "cut in content",
    "closes at once",
    "garbage",
    "empty",
    "page",
    "slow",
)
_JSON = [("Content-Type", "application/json")]
_EVENTS = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def text_of(number: str, length: int) -> str:
    """What every well provider says to the request `number`."""
    return (f"{number} " * (length // (len(number) + 1) + 1))[:length]


class Provider:
    """One server, which may be switched off and on.

    Attributes:
        way: how it answers from now on.
        asked: how often each request came; `closed` has those that got no answer, and may be sent again.
        finished: the requests whose answer it sent whole.
        broke: the requests whose answer it began and broke off behind content.
        empty: the requests that it answered with a 200 and nothing.
    """

    def __init__(self, name: str, random: Random) -> None:
        self.name = name
        self.way = "well"
        self.asked: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.finished: set[str] = set()
        self.broke: set[str] = set()
        self.empty: set[str] = set()
        self._random = random
        self._server: asyncio.Server | None = None
        self.port = 0

    async def switch_on(self) -> None:
        """Listens, always on the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**24)
        self.port = self._server.sockets[0].getsockname()[1]

    def switch_off(self) -> None:
        """Listens no more; what is under way goes on."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await read_head(reader)
                body = await reader.readexactly(int(head.fields.get("content-length", "0")))
                if not await self._answer(head, body, reader, writer):
                    break
        except (Cut, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, head: Head, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answers; whether the connection may be used again."""
        number, way = head.fields.get("x-soak", ""), self.way
        self.asked[number] += 1
        if way == "closes at once":
            self.closed[number] += 1
            return False
        if "upgrade" in head.fields:
            await _echo(reader, writer)
            return False
        stream = json.loads(body[:200].split(b"\n")[0]).get("stream", False)
        if way == "slow":
            await asyncio.sleep(self._random.uniform(0.2, 1.0))
            way = "well"
        if way == "empty":
            self.empty.add(number)
        plain = self._plain(way)
        if plain is not None:
            writer.write(plain)
            await writer.drain()
            return way != "garbage"
        if not stream:
            return await self._json(number, way, writer)
        return await self._events(number, way, writer)

    def _plain(self, way: str) -> bytes | None:
        if way.isdigit():
            error = json.dumps({"type": "error", "error": {"type": "api_error", "message": "soak"}}).encode()
            fields = [*_JSON, ("Retry-After", "1")] if way in ("429", "503") else _JSON
            return answer(int(way), fields, error)
        pages = {"404 of a proxy": 404, "page": 200}
        if way in pages:
            return answer(pages[way], [("Content-Type", "text/html")], b"<!DOCTYPE html><title>x</title>")
        if way == "empty":
            return answer(200, _JSON, b"")
        return b"SSH-2.0-soak\r\n\r\n" if way == "garbage" else None

    async def _json(self, number: str, way: str, writer: asyncio.StreamWriter) -> bool:
        document = {"content": [{"type": "text", "text": text_of(number, 4000)}], "candidates": [{}], "output": [{}]}
        whole = answer(200, _JSON, json.dumps(document).encode())
        if way in ("cut before content", "cut in content", "error event"):
            self.broke.add(number)
            writer.write(whole[: len(whole) // 2])
            await writer.drain()
            return False
        writer.write(whole)
        await writer.drain()
        self.finished.add(number)
        return True

    async def _events(self, number: str, way: str, writer: asyncio.StreamWriter) -> bool:
        def chunk(document: dict[str, object]) -> bytes:
            data = f"event: {document['type']}\ndata: {json.dumps(document)}\n\n".encode()
            return b"%x\r\n%b\r\n" % (len(data), data)

        writer.write(_EVENTS.encode())
        if way == "error event":
            writer.write(chunk({"type": "error", "error": {"type": "overloaded_error", "message": "soak"}}))
            writer.write(b"0\r\n\r\n")
            await writer.drain()
            return True
        if way == "cut before content":
            await writer.drain()
            return False
        for part in range(8):
            writer.write(chunk({"type": "content_block_delta", "delta": {"text": text_of(number, 100)}, "part": part}))
            await writer.drain()
            if way == "cut in content" and part == 3:
                self.broke.add(number)
                return False
            await asyncio.sleep(self._random.uniform(0.0, 0.02))
        writer.write(chunk({"type": "message_stop"}) + b"0\r\n\r\n")
        await writer.drain()
        self.finished.add(number)
        return True


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    lines = ["HTTP/1.1 101 Switching", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {ACCEPT}"]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
