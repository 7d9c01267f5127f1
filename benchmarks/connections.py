"""The load's connections: they send requests, and note when the answers come.

As little as possible is parsed. An answer in a closed loop has a known length; a stream is searched for stamps, or its
events are counted. An unexpected answer ends the run, because its figures would be those of errors.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final, cast

from benchmarks import traffic

LIMIT: Final = 20.0
"""Seconds that all connections have for their first answers, and that a probe has for each answer."""


class Broken(Exception):
    """A run that got an unexpected answer."""


class Tally:
    """What the connections of one run have seen.

    Attributes:
        units: requests answered, or events.
        times: what each took, in microseconds.
    """

    def __init__(self, connections: int) -> None:
        self._waiting = connections
        self._ready = asyncio.get_running_loop().create_future()
        self._broken = asyncio.get_running_loop().create_future()
        self.clear()

    def clear(self) -> None:
        """Begins anew."""
        self.units = 0
        self.times: list[int] = []

    def first(self) -> None:
        """Called by each connection when its first answer begins."""
        self._waiting -= 1
        if self._waiting == 0 and not self._ready.done():
            self._ready.set_result(None)

    def broke(self, problem: str) -> None:
        """Ends the run."""
        if not self._broken.done():
            self._broken.set_result(problem)

    async def ready(self) -> None:
        """Waits until every connection has its first answer."""
        await asyncio.wait([self._ready, self._broken], timeout=LIMIT, return_when=asyncio.FIRST_COMPLETED)
        self._check()
        if not self._ready.done():
            raise Broken(f"{self._waiting} connections got no answer")

    async def hold(self, seconds: float) -> None:
        """Waits for so long; raises Broken if a connection gets an unexpected answer."""
        await asyncio.wait([self._broken], timeout=seconds)
        self._check()

    def _check(self) -> None:
        if self._broken.done():
            raise Broken(self._broken.result())


class Asking(asyncio.Protocol):
    """A connection that sends one request when it is made.

    Parameters:
        request: whole, as it goes out.
    """

    transport: asyncio.Transport

    def __init__(self, request: bytes, tally: Tally) -> None:
        self._request = request
        self._tally = tally
        self._begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._tally.broke("a connection was closed")

    def _send(self) -> None:
        self.transport.write(self._request)

    def _begin(self, data: bytes) -> None:
        """Takes the first bytes of the first answer."""
        self._begun = True
        if data.startswith(b"HTTP/1.1 200"):
            self._tally.first()
        else:
            self._tally.broke(f"answered with {data[9:12].decode('ascii', 'replace')}")


class ClosedLoop(Asking):
    """Sends the next request as soon as the last one is answered, with an answer of `ANSWER_LENGTH`."""

    _head = b""
    _missing = 0
    _sent = 0

    def _send(self) -> None:
        self._sent = traffic.microseconds()
        super()._send()

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self._begun:
                self._begin(self._head)
            self._missing = end + 4 + traffic.ANSWER_LENGTH - len(self._head)
        if self._missing < 0:
            self._tally.broke("an answer is longer than it should be")
        elif self._missing == 0:
            self._answered()

    def _answered(self) -> None:
        self._note()
        self._send()

    def _note(self) -> None:
        self._tally.units += 1
        self._tally.times.append(traffic.microseconds() - self._sent)
        self._head = b""


class SteadyLoop(ClosedLoop):
    """Sends requests at a fixed rate, one at a time; 32 connections make 5 000 requests a second."""

    INTERVAL: Final = 32 / 5000
    """Seconds between two requests."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + random.random() * self.INTERVAL
        self._timer: asyncio.TimerHandle | None = None
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _answered(self) -> None:
        self._note()
        self._timer = self._loop.call_at(self._due, self._send)
        self._due += self.INTERVAL


class PacedStream(Asking):
    """Reads the stamp of each event. A stamp that two reads share is missed, which is rare at this pace."""

    def data_received(self, data: bytes) -> None:
        if not self._begun:
            self._begin(data)
        now, tally = traffic.microseconds(), self._tally
        stamps = traffic.STAMP.findall(data)
        tally.units += len(stamps)
        tally.times += [now - int(stamp) for stamp in stamps]


class FastStream(Asking):
    """Counts events by the blank line that ends each."""

    def data_received(self, data: bytes) -> None:
        if not self._begun:
            self._begin(data)
        self._tally.units += data.count(b"\n\n")


class Probe(asyncio.Protocol):
    """Asks for one short stream after the other, on one connection."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._answer: asyncio.Future[float] | None = None
        self._first = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if not self._first:
            self._first = now
            if not data.startswith(b"HTTP/1.1 200"):
                self._end("a probe was not answered with 200")
        if data.endswith(b"0\r\n\r\n"):
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("a probe's connection was closed")

    def _end(self, problem: str | None = None) -> None:
        if self._answer is None or self._answer.done():
            return
        if problem is None:
            self._answer.set_result(self._first)
        else:
            self._answer.set_exception(Broken(problem))

    async def ask(self, request: bytes) -> float:
        """Seconds from a request to the first byte of its answer; returns at the answer's end.

        Raises:
            Broken: the answer is not a 200, or does not end in time.
        """
        self._answer = asyncio.get_running_loop().create_future()
        self._first = 0.0
        begun = time.perf_counter()
        self.transport.write(request)
        try:
            return await asyncio.wait_for(self._answer, LIMIT) - begun
        except asyncio.TimeoutError:
            raise Broken("a probe got no whole answer") from None
