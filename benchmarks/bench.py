"""The bench on which items are measured: the upstream, the running contestants, and the load on them.

A contestant is started when an item first needs it, once without and once with TLS to the upstream, and runs until the
benchmark ends. So the effects of one item show in the next. Where memory is measured it is started afresh.
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

from benchmarks.contestants import DIRECT
from benchmarks.load import Plan, Run, Target, first_bytes_of
from benchmarks.processes import Running
from benchmarks.proxies import Site, Upstream

Sample: TypeAlias = Mapping[str, float]
"""The figures of one run of an item, by the keys of the item's metrics."""

ALWAYS_AFRESH: Final = {
    "affinity": "client",
    "failback": "always",
    "failback_after": 0,
    "reactivate_after": 0,
    "circuit_breaker": {"failure_threshold": 0},
}
"""Settings with which each request begins with the first provider, however often that one failed."""


@define
class Bench:
    """The place of one benchmark.

    Attributes:
        seconds: the length of a window of measurement.
        turn_seconds: the same where agents' turns are measured, which take three seconds each.
        warm_up: seconds before the window.
        probes: how many single requests are timed, in items that time them.
        starts: how many cold starts are timed.
        ending: stops what was started.
    """

    site: Site
    upstream: Upstream
    ending: ExitStack
    seconds: float
    turn_seconds: float
    warm_up: float
    probes: int
    starts: int
    _running: dict[tuple[str, bool], Running] = field(factory=dict, init=False)

    def load(self, plan: Plan, name: str, *, tls: bool = False) -> Run:
        """Puts a contestant under load.

        Raises:
            Unavailable: if the contestant does not start.
            Broken: if it does not answer as it should.
        """
        return self.load_target(plan, self._target(name, tls))

    def load_target(self, plan: Plan, target: Target) -> Run:
        """Puts a process that the caller has started under load."""
        return uvloop.run(plan.run(target))

    def ask(self, targets: Sequence[Target], count: int) -> list[list[float]]:
        """Asks each of `targets` in turn for a short stream: the seconds until its first byte, `count` times."""
        return uvloop.run(first_bytes_of(targets, count))

    @contextmanager
    def fresh(self, name: str, *, tls: bool = False) -> Iterator[Target]:
        """A contestant in a new process, which is stopped at the end."""
        running = self.site.start_proxy(name, self.upstream, tls=tls)
        try:
            yield self._target_of(running)
        finally:
            running.stop()

    def fail_over(self, kinds: Sequence[str]) -> dict[str, list[float]]:
        """Times to the first byte for each failure of the first provider (`refused`, or a status), and for `none`.

        Each kind has a clipal of its own, and they are asked in turn. Their connections to the providers are open.
        """
        second = self.upstream.base_url(tls=False)
        with ExitStack() as ending, socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # bound without listening, so that connections are refused
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
    """The value below which the `share` of `values` lies, by the nearest rank; NaN if there are no values."""
    if not values:
        return math.nan
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]
