"""Clients of a service that is being disturbed, and what each of them lost, counted on their side."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections import Counter
from itertools import count

from attrs import define, field

from soak.wire import Cut, answer, read_answer, read_head, request

KEEPING, FRESH, STREAMS = 30, 20, 100
_PAUSE = 0.1
_UNNOTICED = 0.5
"""Seconds after a process was killed within which a client may still ask over a connection to it."""
_EVENTS, _EVERY = 16, 0.5
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_LAST = b"event: message_stop\ndata: {}\n\n"


@define
class Seen:
    """What the clients saw.

    Attributes:
        lost: other short requests without a whole answer, by what was in its place.
        under_way: those that had begun when a process was killed, or over a connection to it right then.
        closed: idle connections that ended though no answer had said so.
        whole: streams that came to their end.
        cut: streams that did not, which their clients could see.
    """

    requests: int = 0
    lost: Counter[str] = field(factory=Counter)
    under_way: int = 0
    closed: int = 0
    whole: int = 0
    cut: int = 0


async def serve_provider() -> tuple[asyncio.Server, int]:
    """A provider that answers at once, or with a stream of eight seconds; and its port."""
    server = await asyncio.start_server(_provide, "127.0.0.1", 0, backlog=1024)
    return server, server.sockets[0].getsockname()[1]


async def _provide(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await read_head(reader)
            body = await reader.readexactly(int(head.fields.get("content-length", "0")))
            if json.loads(body).get("stream"):
                await _stream(writer)
            else:
                writer.write(answer(200, [("Content-Type", "application/json")], b'{"content": [{"text": "served"}]}'))
            await writer.drain()
    except (Cut, ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def _stream(writer: asyncio.StreamWriter) -> None:
    delta = b'event: content_block_delta\ndata: {"type": "content_block_delta", "delta": {"text": "more"}}\n\n'
    writer.write(_HEAD)
    for _ in range(_EVENTS):
        writer.write(b"%x\r\n%b\r\n" % (len(delta), delta))
        await writer.drain()
        await asyncio.sleep(_EVERY)
    writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(_LAST), _LAST))


class Load:
    """All clients of one address.

    Attributes:
        killed: when a process was killed; None before that.
    """

    def __init__(self, port: int, *, tls: bool = False) -> None:
        self.seen = Seen()
        self.killed: float | None = None
        self._port = port
        self._tls = ssl._create_unverified_context() if tls else None
        self._stopping = False
        self._numbers = count()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """All of them ask; fires when the streams have begun."""
        works = [*[self._keep] * KEEPING, *[self._fresh] * FRESH, *[self._streams] * STREAMS]
        self._tasks = [asyncio.create_task(work(next(self._numbers))) for work in works]
        await asyncio.sleep(2)

    async def stop(self) -> Seen:
        """Each ends behind what it is asking."""
        self._stopping = True
        await asyncio.gather(*self._tasks)
        return self.seen

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port, ssl=self._tls)

    async def _keep(self, number: int) -> None:
        while not self._stopping:
            try:
                reader, writer = await self._connect()
            except OSError as error:
                self._lose(type(error).__name__, time.monotonic())
                await asyncio.sleep(_PAUSE)
                continue
            announced = False
            while not self._stopping:
                if reader.at_eof():
                    self.seen.closed += not announced
                    break
                announced = await self._ask(reader, writer, number)
                if announced:
                    break
                await asyncio.sleep(_PAUSE)
            writer.close()

    async def _fresh(self, number: int) -> None:
        while not self._stopping:
            began = time.monotonic()
            try:
                reader, writer = await self._connect()
            except OSError as error:
                self._lose(type(error).__name__, began)
            else:
                await self._ask(reader, writer, number)
                writer.close()
            await asyncio.sleep(_PAUSE)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        """One short request; whether the connection ends with it."""
        self.seen.requests += 1
        began = time.monotonic()
        try:
            writer.write(_request(number, b'{"stream": false}'))
            head = await asyncio.wait_for(read_head(reader), 60)
            body = await reader.readexactly(int(head.fields["content-length"]))
        except (Cut, ConnectionError, asyncio.IncompleteReadError):
            self._lose("no answer", began)
            return True
        except asyncio.TimeoutError:
            self._lose("60 s", began)
            return True
        if head.line[1] != "200" or b"served" not in body:
            self._lose(head.line[1], began)
        return head.fields.get("connection") == "close"

    def _lose(self, what: str, began: float) -> None:
        if self.killed is not None and began <= self.killed + _UNNOTICED:
            self.seen.under_way += 1
        else:
            self.seen.lost[what] += 1

    async def _streams(self, number: int) -> None:
        while not self._stopping:
            try:
                reader, writer = await self._connect()
                writer.write(_request(number, b'{"stream": true}'))
                found = await read_answer(reader)
            except (OSError, Cut):
                self.seen.cut += 1
                await asyncio.sleep(_PAUSE)
                continue
            if found.status == 200 and found.whole and found.body.endswith(_LAST):
                self.seen.whole += 1
            else:
                self.seen.cut += 1
            writer.close()


def _request(number: int, body: bytes) -> bytes:
    fields = [("Content-Type", "application/json"), ("x-claude-code-session-id", f"session-{number}")]
    return request("POST", "/claudecode/v1/messages", fields, body)
