"""The state of one process as plain data, and the sum of several.

A `Snapshot` holds nothing but numbers, texts, lists and dictionaries, so that it can pass between processes as JSON.
What adds up across processes is in `counts`; what does not (a provider's health, a moment) is in `states`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeAlias

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
from clipal.providers.tally import RECENT, ClientTally, Histogram, ProviderTally

Plain: TypeAlias = dict[str, Any]

_GAUGES: Final = ("connections", "open_requests", "process", "workers")
"""Counts that end with their process."""
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
    """What measures how late the reactor is.

    Attributes:
        seconds: how late it was of late.
    """

    @property
    def seconds(self) -> float: ...


@frozen
class Snapshot:
    """The state of one moment."""

    counts: Plain
    states: Plain


@frozen
class Counters:
    """Where the numbers of this process are.

    Parameters:
        failovers: the attempt loop of each client, by its prefix, with what the client's requests came to.
        clock: seconds on the reactor's clock, by which providers rest.
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
        counts = {
            "workers": 1,
            "connections": len(self.site.channels),
            "refused": dict(self.site.refused),
            "client_tokens": {name: _token_counts(use) for name, use in self.site.access.uses.items()},
            "log_lines_dropped": self.log.dropped,
            "process": process,
            "clients": {prefix: _client_counts(route.tally) for prefix, route in routes.items()},
        }
        now, wall = self.clock(), self.wall()
        states = {
            "now": wall,
            "started": self.started,
            "process_started": began,
            "draining": self.site.draining,
            "lag": self.lag.seconds,
            "configuration": self._configuration(),
            "clients": {prefix: _client_state(route, now, wall) for prefix, route in routes.items()},
        }
        return Snapshot(counts, states)

    def _configuration(self) -> Plain:
        """All processes read the same files, so what they count of it does not add up."""
        reloader = self.reloader
        return {
            "fingerprint": reloader.current.fingerprint,
            "loaded": reloader.loaded,
            "error": reloader.error,
            "succeeded": reloader.succeeded,
            "failed": reloader.failed,
        }


def process_metrics() -> Plain:
    """What the system says of this process, by the names that Prometheus has for it; empty where it says nothing."""
    return {sample.name: sample.value for family in _process.collect() for sample in family.samples}


# One process


def _client_counts(tally: ClientTally) -> Plain:
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


def _token_counts(use: TokenUse) -> Plain:
    return {"refused": _texts(use.refused), "open_requests": use.open}


def _provider_counts(tally: ProviderTally) -> Plain:
    return {
        "attempts": tally.attempts,
        "outcomes": dict(tally.outcomes),
        "failovers": dict(tally.failovers),
        "open_requests": tally.open_requests,
        "first_byte": _histogram(tally.first_byte),
        "tokens": dict(tally.tokens),
    }


def _histogram(histogram: Histogram) -> Plain:
    return {"counts": list(histogram.counts), "total": histogram.total}


def _texts(numbers: Mapping[int, int]) -> dict[str, int]:
    """As JSON has it: every key is a text."""
    return {str(key): value for key, value in numbers.items()}


def _client_state(route: Route, now: float, wall: float) -> Plain:
    return {
        "preferred": None if route.preferred is None else route.preferred.name,
        "can_answer": can_answer(route, now),
        "providers": {each.name: _provider_state(each, now, wall) for each in route.providers},
    }


def _provider_state(provider: Provider, now: float, wall: float) -> Plain:
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


def _key_state(key: Health, now: float) -> Plain:
    return {"health": key.state(now).value, "reason": key.reason or None, "rests_seconds": key.remaining(now)}


# Several processes


def added(first: Snapshot, second: Snapshot) -> Snapshot:
    """Both together."""
    return Snapshot(add_counts(first.counts, second.counts), _join(first.states, second.states))


def add_counts(first: Any, second: Any) -> Any:
    """The sum of two numbers, of two lists place by place, or of two dictionaries name by name."""
    if isinstance(first, dict):
        one_sided = {key: value for each in (second, first) for key, value in each.items()}
        return {
            key: add_counts(first[key], second[key]) if key in first and key in second else value
            for key, value in one_sided.items()
        }
    if isinstance(first, list):
        return [add_counts(*pair) for pair in zip(first, second, strict=True)]
    return first + second


def ended(counts: Any) -> Any:
    """What is left of a process that has ended: all that it counted, and nothing that was open."""
    if isinstance(counts, dict):
        return {key: ended(value) for key, value in counts.items() if key not in _GAUGES}
    return counts


def _join(first: Plain, second: Plain) -> Plain:
    one, other = first["configuration"], second["configuration"]
    latest = max(one, other, key=lambda each: (each["error"] is not None, each["loaded"]))
    clients = {**second["clients"], **first["clients"]}
    both = first["clients"].keys() & second["clients"].keys()
    return {
        "now": max(first["now"], second["now"]),
        "started": min(first["started"], second["started"]),
        "process_started": min(first["process_started"], second["process_started"]),
        "draining": first["draining"] and second["draining"],
        "lag": max(first["lag"], second["lag"]),
        "configuration": {**latest, **{key: max(one[key], other[key]) for key in ("succeeded", "failed")}},
        "clients": clients | {key: _join_clients(first["clients"][key], second["clients"][key]) for key in both},
    }


def _join_clients(first: Plain, second: Plain) -> Plain:
    providers = {**second["providers"], **first["providers"]}
    both = first["providers"].keys() & second["providers"].keys()
    return {
        "preferred": first["preferred"],
        "can_answer": first["can_answer"] or second["can_answer"],
        "providers": providers
        | {key: _join_providers(first["providers"][key], second["providers"][key]) for key in both},
    }


def _join_providers(first: Plain, second: Plain) -> Plain:
    """Of what only one of them can say, the longer rest and the later failure."""
    worse = max(first, second, key=lambda each: each["rests_seconds"])
    failures = [each["last_failure"] for each in (first, second) if each["last_failure"] is not None]
    return {
        **worse,
        "last_failure": max(failures, key=lambda each: each["at"], default=None),
        "recent": (first["recent"] + second["recent"])[-RECENT:],
    }
