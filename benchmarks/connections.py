"""The load's connections that ask for answers of a known length: they send requests, and note when the answers come.

As little as possible is parsed. An unexpected answer ends the run.
"""

from __future__ import annotations

import asyncio
import random
from typing import cast

from benchmarks import traffic
from benchmarks.requests import PAUSE, Requests
from benchmarks.tally import Tally


class Asking(asyncio.Protocol):
    """A connection that sends one request when it is made.

    Parameters:
        requests: those that it sends, one at a time.
        wanted: the answer that it asks for.
    """

    transport: asyncio.Transport

    def __init__(self, requests: Requests, wanted: bytes, tally: Tally) -> None:
        self._loop = asyncio.get_running_loop()
        self._requests = requests
        self._wanted = wanted
        self._tally = tally
        self._begun = False
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._tally.broke("a connection was closed")

    def _send(self) -> None:
        self._write(self._requests.next(self._wanted))

    def _write(self, pieces: list[bytes]) -> None:
        """Writes a request's pieces; a pause lies between two where the request goes out in pieces."""
        if self.transport.is_closing():
            return
        self._sent = traffic.microseconds()
        if self._requests.in_pieces:
            self.transport.write(pieces[0])
            if len(pieces) > 1:
                self._loop.call_later(PAUSE, self._write, pieces[1:])
        else:
            self.transport.writelines(pieces)

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
    """Sends requests at a fixed rate, one at a time.

    Parameters:
        interval: seconds between two requests of this connection.
    """

    def __init__(self, requests: Requests, wanted: bytes, tally: Tally, *, interval: float) -> None:
        super().__init__(requests, wanted, tally)
        self._interval = interval
        self._due = self._loop.time() + random.random() * interval
        self._timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _answered(self) -> None:
        self._note()
        self._timer = self._loop.call_at(self._due, self._send)
        self._due += self._interval
