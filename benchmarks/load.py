"""The load: a number of connections of one kind, held open for a time while the meter runs."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Sequence
from typing import Final, cast

from attrs import field, frozen

from benchmarks import traffic
from benchmarks.connections import Asking, Probe, Tally
from benchmarks.measure import Meter, Reading, resident_bytes

SETTLE: Final = 0.2
"""Seconds for a proxy to close the connections of the last run."""
BATCH: Final = 50
"""How many connections are opened at once."""
UNCOUNTED: Final = 3
"""Probes that come first and do not count: they open the proxy's own connections."""
PAUSE: Final = 0.005
"""Seconds before each probe, so that every probe finds an idle proxy."""


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
        """Resident bytes of the proxy."""
        assert self.proxy is not None
        return resident_bytes(self.proxy)


@frozen
class Run:
    """The result of one run.

    Attributes:
        times: of each unit, in microseconds.
        first_bytes: what the probes took until the first byte, in seconds.
        held: the value of `Plan.look` while all connections were open.
    """

    units: int
    reading: Reading
    times: Sequence[int] = field(repr=False)
    first_bytes: Sequence[float] = field(repr=False)
    held: float


@frozen
class Plan:
    """One run: `connections` of a kind that ask for the same.

    Attributes:
        warm_up: seconds before the window of `seconds`.
        probes: how many short streams are asked for beside the load, before the window.
        look: called at the end of the window, with all connections open.
    """

    kind: type[Asking]
    wanted: bytes
    connections: int
    body_length: int
    warm_up: float
    seconds: float
    probes: int = 0
    look: Callable[[], float] = float

    async def run(self, target: Target) -> Run:
        """Puts the load on `target`.

        Raises:
            Broken: a connection got an unexpected answer, or was closed.
            OSError: a connection could not be made.
        """
        tally = Tally(self.connections)
        stream = self.wanted != traffic.JSON
        request = traffic.request(self.wanted, self.body_length, target.port, stream=stream)
        transports: list[asyncio.BaseTransport] = []
        try:
            await _open(transports, lambda: self.kind(request, tally), self.connections, target)
            await tally.ready()
            await tally.hold(self.warm_up)
            first_bytes = await first_bytes_of([target], self.probes)
            tally.clear()
            meter = target.meter
            await tally.hold(self.seconds)
            return Run(tally.units, meter.read(), tally.times, first_bytes[0], self.look())
        finally:
            for transport in transports:
                cast("asyncio.Transport", transport).abort()
            await asyncio.sleep(SETTLE)


async def first_bytes_of(targets: Sequence[Target], count: int) -> list[list[float]]:
    """Asks each of `targets` in turn, `count` times: the seconds until the first bytes."""
    if count == 0:
        return [[] for _ in targets]
    transports: list[asyncio.BaseTransport] = []
    try:
        probes = [cast("Probe", (await _open(transports, Probe, 1, target))[0]) for target in targets]
        requests = [traffic.request(traffic.BRIEF, 2048, target.port, stream=True) for target in targets]
        rounds = []
        for _ in range(UNCOUNTED + count):
            rounds.append([await _ask(probe, request) for probe, request in zip(probes, requests, strict=True)])
        return [list(times) for times in zip(*rounds[UNCOUNTED:], strict=True)]
    finally:
        for transport in transports:
            cast("asyncio.Transport", transport).abort()


async def _ask(probe: Probe, request: bytes) -> float:
    await asyncio.sleep(PAUSE)
    return await probe.ask(request)


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
