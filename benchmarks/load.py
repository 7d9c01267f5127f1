"""The load: a number of connections of one kind, held open for a time while the meter runs."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

from attrs import field, frozen

from benchmarks import traffic
from benchmarks.connections import Asking
from benchmarks.measure import Meter, Reading, resident_bytes
from benchmarks.probe import Probe
from benchmarks.requests import Heads, Requests
from benchmarks.tally import Broken, Tally

SETTLE: Final = 0.2
"""Seconds for a proxy to close the connections of the last run."""
BATCH: Final = 50
"""How many connections are opened at once."""
UNCOUNTED: Final = 3
"""Probes that come first and do not count: they open the proxy's own connections."""
PAUSE: Final = 0.005
"""Seconds before each probe, so that every probe finds an idle proxy."""
SHORT: Final = 2048
"""The length of a small request's body, in bytes."""
LONG: Final = 60_000
"""The length of the body of an agent's turn, in bytes."""


class Kind(Protocol):
    """Makes one connection of the load."""

    def __call__(self, requests: Requests, wanted: bytes, tally: Tally) -> Asking: ...


@frozen
class Target:
    """The server that the load asks.

    Attributes:
        proxy: the process behind `port`, if that is a proxy.
        upstream: the provider's process.
    """

    port: int
    proxy: int | None
    upstream: int
    tls: ssl.SSLContext | None = None

    @property
    def meter(self) -> Meter:
        """A meter of all processes that take part, whose window begins now."""
        return Meter(self.proxy, (self.upstream, os.getpid()))

    def memory(self) -> float:
        """Resident bytes of the proxy; 0 where there is none."""
        return 0 if self.proxy is None else resident_bytes(self.proxy)


@frozen
class Run:
    """The result of one run.

    Attributes:
        times: of each unit, in microseconds.
        first_bytes: of the load's own requests, in microseconds, where their kind notes them.
        probes: what the probes took until the first byte, in seconds.
        held: resident bytes of the proxy while all connections were open.
    """

    units: int
    reading: Reading
    times: Sequence[int] = field(repr=False)
    first_bytes: Sequence[int] = field(repr=False)
    probes: Sequence[float] = field(repr=False)
    held: float


@frozen
class Plan:
    """One run: `connections` of a kind that ask for the same.

    Attributes:
        body_length: of a request, in bytes.
        in_pieces: whether a request's body goes out in pieces.
        warm_up: seconds before the window of `seconds`.
        probes: how many short streams are asked for beside the load, before the window.
        probe_length: the length of a probe's body.
    """

    kind: Kind
    wanted: bytes
    connections: int
    body_length: int
    warm_up: float
    seconds: float
    heads: Heads = Heads.REPEATING
    in_pieces: bool = False
    probes: int = 0
    probe_length: int = SHORT

    async def run(self, target: Target) -> Run:
        """Puts the load on `target`.

        Raises:
            Broken: a connection got an unexpected answer or none in the window, or was closed.
            OSError: a connection could not be made.
        """
        tally = Tally(self.connections)
        transports: list[asyncio.BaseTransport] = []
        try:
            await _open(transports, lambda: self._connection(target, tally), self.connections, target)
            await tally.ready()
            await tally.hold(self.warm_up)
            probes = await first_bytes_of([target], self.probes, self.probe_length)
            tally.clear()
            meter = target.meter
            await tally.hold(self.seconds)
            if self.seconds and not tally.units:
                raise Broken("nothing was answered in the window")
            return Run(tally.units, meter.read(), tally.times, tally.first_bytes, probes[0], target.memory())
        finally:
            for transport in transports:
                cast("asyncio.Transport", transport).abort()
            await asyncio.sleep(SETTLE)

    def _connection(self, target: Target, tally: Tally) -> Asking:
        stream = self.wanted != traffic.JSON
        requests = Requests(self.body_length, target.port, stream, self.heads, self.in_pieces)
        return self.kind(requests, self.wanted, tally)


async def first_bytes_of(targets: Sequence[Target], count: int, length: int = SHORT) -> list[list[float]]:
    """Asks each of `targets` in turn, `count` times: the seconds until the first bytes."""
    if count == 0:
        return [[] for _ in targets]
    transports: list[asyncio.BaseTransport] = []
    try:
        probes = [cast("Probe", (await _open(transports, Probe, 1, target))[0]) for target in targets]
        requests = [Requests(length, target.port, stream=True) for target in targets]
        rounds = []
        for _ in range(UNCOUNTED + count):
            rounds.append([await _ask(probe, each) for probe, each in zip(probes, requests, strict=True)])
        return [list(times) for times in zip(*rounds[UNCOUNTED:], strict=True)]
    finally:
        for transport in transports:
            cast("asyncio.Transport", transport).abort()


async def _ask(probe: Probe, requests: Requests) -> float:
    await asyncio.sleep(PAUSE)
    return await probe.ask(requests.next(traffic.BRIEF))


async def _open(
    transports: list[asyncio.BaseTransport], factory: Callable[[], asyncio.Protocol], count: int, target: Target
) -> list[asyncio.BaseProtocol]:
    """Opens connections, a batch at once, and notes their transports as they come."""
    protocols: list[asyncio.BaseProtocol] = []
    loop, name = asyncio.get_running_loop(), "localhost" if target.tls else None
    for begin in range(0, count, BATCH):
        opening = [
            loop.create_connection(factory, "127.0.0.1", target.port, ssl=target.tls, server_hostname=name)
            for _ in range(begin, min(begin + BATCH, count))
        ]
        for transport, protocol in await asyncio.gather(*opening):
            transports.append(transport)
            protocols.append(protocol)
    return protocols
