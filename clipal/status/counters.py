"""Takes the snapshot of one process: what its routes, its site, its log and its reloader know at one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from attrs import frozen
from prometheus_client import ProcessCollector

from clipal.config.reload import Reloader
from clipal.downstream.access import TokenUse
from clipal.downstream.site import Site
from clipal.failover.failover import Failover
from clipal.providers.health import Health
from clipal.providers.provider import Provider
from clipal.providers.route import Route
from clipal.providers.selection import can_answer
from clipal.providers.tally import ClientTally, Histogram, ProviderTally
from clipal.status.snapshot import (
    ClientCounts,
    ClientState,
    Counts,
    HistogramCounts,
    KeyState,
    LoadedState,
    ProviderCounts,
    ProviderState,
    Snapshot,
    States,
    TokenUseCounts,
)

_START: Final = "process_start_time_seconds"
_process = ProcessCollector(registry=None)


class Drops(Protocol):
    """A log.

    Attributes:
        dropped: lines that it could not write.
    """

    @property
    def dropped(self) -> int: ...


class Lag(Protocol):
    """Measures how late the reactor is.

    Attributes:
        seconds: the longest delay of the last looks.
    """

    @property
    def seconds(self) -> float: ...


@frozen
class Counters:
    """Where the numbers of this process are.

    Parameters:
        failovers: the attempt loop of each client, by its prefix, with what the client's requests came to.
        clock: seconds on the reactor's clock, by which cooldowns are measured.
        wall: seconds since the epoch.
        started: when clipal began, in seconds since the epoch.
    """

    failovers: Mapping[str, Failover]
    site: Site
    reloader: Reloader
    log: Drops
    lag: Lag
    clock: Callable[[], float]
    wall: Callable[[], float]
    started: float

    def snapshot(self) -> Snapshot:
        """All numbers of this moment."""
        process = process_metrics()
        began = process.pop(_START, self.started)
        routes = {prefix: failover.route for prefix, failover in self.failovers.items()}
        counts: Counts = {
            "workers": 1,
            "connections": len(self.site.channels),
            "refused": dict(self.site.refused),
            "client_tokens": {name: _token_counts(use) for name, use in self.site.access.uses.items()},
            "log_lines_dropped": self.log.dropped,
            "process": process,
            "clients": {prefix: _client_counts(route.tally) for prefix, route in routes.items()},
        }
        now, wall = self.clock(), self.wall()
        states: States = {
            "now": wall,
            "started": self.started,
            "process_started": began,
            "draining": self.site.draining,
            "lag": self.lag.seconds,
            "configuration": self._configuration(),
            "clients": {prefix: _client_state(route, now, wall) for prefix, route in routes.items()},
        }
        return Snapshot(counts, states)

    def _configuration(self) -> LoadedState:
        """What the reloader knows. All processes read the same files, so these numbers do not add up."""
        reloader = self.reloader
        return {
            "fingerprint": reloader.current.fingerprint,
            "loaded": reloader.loaded,
            "error": reloader.error,
            "succeeded": reloader.succeeded,
            "failed": reloader.failed,
        }


def process_metrics() -> dict[str, float]:
    """The system's metrics of this process, by Prometheus' names; empty where the system has none."""
    return {sample.name: sample.value for family in _process.collect() for sample in family.samples}


def _client_counts(tally: ClientTally) -> ClientCounts:
    return {
        "requests": tally.requests,
        "statuses": _texts(tally.statuses),
        "unanswered": tally.unanswered,
        "open_requests": tally.open_requests,
        "request_bytes": tally.request_bytes,
        "response_bytes": tally.response_bytes,
        "duration": _histogram(tally.duration),
        "by_token": {name: _texts(statuses) for name, statuses in tally.by_token.items()},
        "providers": {name: _provider_counts(each) for name, each in tally.providers.items()},
    }


def _token_counts(use: TokenUse) -> TokenUseCounts:
    return {"refused": _texts(use.refused), "open_requests": use.open}


def _provider_counts(tally: ProviderTally) -> ProviderCounts:
    return {
        "attempts": tally.attempts,
        "outcomes": dict(tally.outcomes),
        "failovers": dict(tally.failovers),
        "open_requests": tally.open_requests,
        "first_byte": _histogram(tally.first_byte),
        "tokens": dict(tally.tokens),
    }


def _histogram(histogram: Histogram) -> HistogramCounts:
    return {"counts": list(histogram.counts), "total": histogram.total}


def _texts(numbers: Mapping[int, int]) -> dict[str, int]:
    """As JSON has it: every key is a text."""
    return {str(key): value for key, value in numbers.items()}


def _client_state(route: Route, now: float, wall: float) -> ClientState:
    return {
        "preferred": None if route.preferred is None else route.preferred.name,
        "can_answer": can_answer(route, now),
        "providers": {each.name: _provider_state(each, now, wall) for each in route.providers},
    }


def _provider_state(provider: Provider, now: float, wall: float) -> ProviderState:
    tally, state, wait = provider.tally, provider.state(now), provider.wait(now)
    last = tally.last_failure
    return {
        "health": state.value,
        "reason": provider.reason(now),
        "rests_seconds": wait,
        "until": wall + wait if wait else None,
        "keys": [_key_state(key, now) for key in provider.keys],
        "last_failure": None if last is None else {"reason": last.reason, "status": last.status, "at": last.at},
        "recent": list(tally.recent),
    }


def _key_state(key: Health, now: float) -> KeyState:
    return {"health": key.state(now).value, "reason": key.reason or None, "rests_seconds": key.remaining(now)}
