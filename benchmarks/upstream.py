"""The provider: a process that answers from prepared bytes, `python -m benchmarks.upstream [CERTIFICATE]`.

It prints its ports, plain and (with a certificate) TLS, and ends when its standard input does. A connection carries one
request at a time, because none of the proxies pipelines. Each paced stream has a phase of its own, so that events are
spread over the interval. Timers have a resolution of a millisecond, so a few events are written together.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import math
import ssl
import sys
from collections.abc import Callable, Iterator
from typing import Final, cast

import uvloop

from benchmarks import answers, traffic

_GOLDEN: Final = 0.6180339887
"""Multiples of it, modulo one, fill an interval evenly however many there are."""
_numbers: Final[Iterator[int]] = itertools.count()


class PacedAnswer:
    """The rest of an answer, a piece at a time.

    Parameters:
        piece: makes one from the moment at which it is written.
        interval: seconds between two.
        count: how many come before the answer's end; infinite, if it has none.
    """

    def __init__(
        self, transport: asyncio.Transport, piece: Callable[[int], bytes], interval: float, count: float = math.inf
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._piece = piece
        self._interval = interval
        self._left = count
        self._due = self._loop.time() + interval * (next(_numbers) * _GOLDEN % 1)
        self._timer = self._loop.call_at(self._due, self._write)

    def stop(self) -> None:
        """Writes nothing more."""
        self._timer.cancel()

    def _write(self) -> None:
        self._transport.write(self._piece(traffic.microseconds()))
        self._left -= 1
        if self._left:
            self._due += self._interval
            self._timer = self._loop.call_at(self._due, self._write)
        else:
            self._transport.write(answers.STREAM_END)


class ProviderConnection(asyncio.Protocol):
    """One connection to the provider."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._head = b""
        self._missing = 0
        self._fast = False
        self._full = False
        self._paced: PacedAnswer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            length = traffic.LENGTH.search(self._head)
            self._missing = end + 4 + (int(length[1]) if length else 0) - len(self._head)
        if self._missing == 0:
            self._answer()

    def _answer(self) -> None:
        head, self._head = self._head, b""
        failing = next((each for path, each in answers.ERRORS.items() if head.startswith(b"POST " + path)), None)
        wanted = traffic.WANTED.search(head)
        mode = wanted[1] if wanted else traffic.JSON
        if failing is not None:
            self.transport.write(failing)
        elif mode == traffic.JSON:
            self.transport.write(answers.JSON_ANSWER)
        elif mode == traffic.BRIEF:
            self.transport.write(answers.BRIEF_STREAM)
        else:
            self.transport.write(answers.STREAM_HEAD)  # goes out with what is written in the same turn of the loop
            self._stream(mode)

    def _stream(self, mode: bytes) -> None:
        kind, _, number = mode.rpartition(b"-")
        if mode == traffic.FAST:
            self._fast = True
            self._write_blocks()
        elif kind + b"-" == traffic.TURN:
            self.transport.write(answers.turn_event(traffic.microseconds()))
            self._paced = PacedAnswer(self.transport, answers.turn_event, traffic.TURN_INTERVAL, int(number) - 1)
        else:
            piece = answers.event if kind + b"-" == traffic.PACED else answers.block
            self._paced = PacedAnswer(self.transport, piece, 1 / int(number))

    def _write_blocks(self) -> None:
        """Writes a few blocks at a time, so that other connections have their turn too."""
        for _ in range(4):
            if self._full or self.transport.is_closing():
                return
            self.transport.write(answers.BLOCK)
        self._loop.call_soon(self._write_blocks)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._fast:
            self._loop.call_soon(self._write_blocks)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._paced is not None:
            self._paced.stop()


def _context(certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def _serve(certificate: str | None) -> None:
    """Serves until standard input ends, which it does at the latest when the benchmark's process has ended."""
    loop = asyncio.get_running_loop()
    factory: Callable[[], asyncio.Protocol] = ProviderConnection
    servers = [await loop.create_server(factory, "127.0.0.1", 0, backlog=1024)]
    if certificate is not None:
        context = _context(certificate)
        servers.append(await loop.create_server(factory, "127.0.0.1", 0, backlog=1024, ssl=context))
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    gc.disable()  # a collection would pause the measurement
    uvloop.run(_serve(sys.argv[1] if len(sys.argv) > 1 else None))
