"""Single requests beside a load, one after the other, of which each is timed."""

from __future__ import annotations

import asyncio
import time
from typing import cast

from benchmarks import traffic
from benchmarks.tally import LIMIT, Broken


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
        if data.endswith(traffic.LAST_CHUNK):
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

    async def ask(self, request: list[bytes]) -> float:
        """Seconds from a request to the first byte of its answer; returns at the answer's end.

        Raises:
            Broken: the answer is not a 200, or does not end in time.
        """
        self._answer = asyncio.get_running_loop().create_future()
        self._first = 0.0
        begun = time.perf_counter()
        self.transport.writelines(request)
        try:
            return await asyncio.wait_for(self._answer, LIMIT) - begun
        except asyncio.TimeoutError:
            raise Broken("a probe got no whole answer") from None
