"""The load's connections that read streams: the stamps of paced ones, the events of fast ones, and agents' turns."""

from __future__ import annotations

import random

from benchmarks import traffic
from benchmarks.connections import Asking
from benchmarks.requests import Requests
from benchmarks.tally import Tally


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


class Turns(PacedStream):
    """Takes one turn of an agent after the other.

    The first turn's answer is shorter by chance, so that the turns of many connections are spread evenly over time.
    """

    def __init__(self, requests: Requests, wanted: bytes, tally: Tally) -> None:
        super().__init__(requests, wanted, tally)
        self._waits = True
        self._end = b""

    def _send(self) -> None:
        length = traffic.TURN_EVENTS if self._begun else random.randint(2, traffic.TURN_EVENTS)
        self._waits = True
        self._write(self._requests.next(self._wanted + b"%d" % length))

    def data_received(self, data: bytes) -> None:
        if self._waits:
            self._waits = False
            self._tally.first_bytes.append(traffic.microseconds() - self._sent)
        super().data_received(data)
        self._end = (self._end + data)[-len(traffic.LAST_CHUNK) :]
        if self._end == traffic.LAST_CHUNK:
            self._end = b""
            self._send()
