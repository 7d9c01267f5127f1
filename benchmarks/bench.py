"""What the items are measured with: the upstream, the contestants while they run, and how they are asked.

A contestant is started when it is first asked for, once without and once with TLS to the upstream, and runs to the end:
what it does in one item is not hidden from the next. Only where memory is looked at does it run afresh.
"""

from __future__ import annotations

import math
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final, TypeAlias

import uvloop
from attrs import define, field

from benchmarks.load import Plan, Run, Target, first_bytes_of
from benchmarks.processes import Running
from benchmarks.proxies import DIRECT, Site, Upstream

Sample: TypeAlias = Mapping[str, float]
"""What one run of an item found, by the keys of the item's metrics."""

ALWAYS_AFRESH: Final = {
    "affinity": "client",
    "failback": "always",
    "failback_after": 0,
    "reactivate_after": 0,
    "circuit_breaker": {"failure_threshold": 0},
}
"""Settings with which each request begins with the first provider, however often that failed."""


@define
class Bench:
    """The place of one benchmark.

    Attributes:
        seconds: how long a window of measurement is.
        warm_up: seconds before it.
        probes: how many single requests are timed, where they are.
        starts: how many cold starts are timed.
        ending: stops what was started.
    """

    site: Site
    upstream: Upstream
    ending: ExitStack
    seconds: float = 2.0
    warm_up: float = 0.3
    probes: int = 30
    starts: int = 3
    _running: dict[tuple[str, bool], Running] = field(factory=dict, init=False)

    def load(self, plan: Plan, name: str, *, tls: bool = False) -> Run:
        """Puts a contestant under load.

        Raises:
            Unavailable: if the contestant does not start.
            Broken: if it does not answer as it should.
        """
        return self.load_target(plan, self._target(name, tls))

    def load_target(self, plan: Plan, target: Target) -> Run:
        """The same for a process that the caller has started."""
        return uvloop.run(plan.run(target))

    def ask(self, targets: Sequence[Target], count: int) -> list[list[float]]:
        """Asks each of `targets` in turn for a short stream: the seconds until its first byte, `count` times."""
        return uvloop.run(first_bytes_of(targets, count))

    @contextmanager
    def fresh(self, name: str) -> Iterator[Target]:
        """A contestant of its own, stopped at the end."""
        running = self.site.start_proxy(name, self.upstream)
        try:
            yield self._target_of(running)
        finally:
            running.stop()

    def fail_over(self, kinds: Sequence[str]) -> dict[str, list[float]]:
        """Times to the first byte by how the first provider fails (`refused`, or a status), and under `none`.

        Each kind has a clipal of its own, and they are asked in turn. Their connections to the providers are open.
        """
        second = self.upstream.base_url(tls=False)
        with ExitStack() as ending, socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # bound, but it does not listen: nobody else can, and who connects is refused
            first = {kind: f"{second}/{kind}" for kind in kinds}
            first["refused"] = f"http://127.0.0.1:{closed.getsockname()[1]}"
            targets = []
            for base_urls in ([second], *([first[kind], second] for kind in kinds)):
                running = self.site.start_clipal(self.upstream, base_urls, ALWAYS_AFRESH)
                ending.callback(running.stop)
                targets.append(self._target_of(running))
            return dict(zip(("none", *kinds), self.ask(targets, self.probes * 5), strict=True))

    def cold_starts(self, name: str) -> list[float]:
        """Seconds from a start to the first answer, several times."""
        times = []
        for _ in range(self.starts):
            running = self.site.start_proxy(name, self.upstream)
            running.stop()
            times.append(running.cold_start)
        return times

    def _target(self, name: str, tls: bool) -> Target:
        if name == DIRECT:
            context = ssl.create_default_context(cafile=str(self.upstream.authority)) if tls else None
            return Target(self.upstream.port(tls), None, self.upstream.running.pid, context)
        running = self._running.get((name, tls))
        if running is None:
            running = self._running[name, tls] = self.site.start_proxy(name, self.upstream, tls=tls)
            self.ending.callback(running.stop)
        return self._target_of(running)

    def _target_of(self, running: Running) -> Target:
        return Target(running.port, running.pid, self.upstream.running.pid)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie, by the nearest rank; NaN if there are none."""
    if not values:
        return math.nan
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]
