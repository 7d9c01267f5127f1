"""The body of `GET /metrics` in Prometheus' text format, made from a snapshot at each request.

Labels have few values: names of the configuration, statuses, and reasons in clipal's own words.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from itertools import accumulate, chain
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from clipal.providers.tally import BOUNDS
from clipal.status.report import VERSION
from clipal.status.snapshot import ClientCounts, ClientState, Counts, HistogramCounts, ProviderCounts, Snapshot, States

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

_LE: Final = [*(str(float(bound)) for bound in BOUNDS), "+Inf"]
_PROCESS: Final = {
    "process_cpu_seconds_total": "Total user and system CPU time spent in seconds.",
    "process_resident_memory_bytes": "Resident memory size in bytes.",
    "process_virtual_memory_bytes": "Virtual memory size in bytes.",
    "process_open_fds": "Number of open file descriptors.",
    "process_max_fds": "Maximum number of open file descriptors.",
}
_Labelled: TypeAlias = Iterable[tuple[tuple[str, ...], float]]
_Clients: TypeAlias = Mapping[str, ClientCounts]


class Metrics(Collector):
    """All metrics of the snapshots that `source` returns, in a registry of their own."""

    def __init__(self, source: Callable[[], Snapshot]) -> None:
        self._source = source
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """All metrics in the text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Describes nothing, because this is the only collector, and names cannot clash."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        snapshot = self._source()
        counts, states = snapshot.counts, snapshot.states
        yield from _of_clients(counts["clients"])
        yield _of_tokens(counts)
        yield from _of_providers(counts["clients"])
        yield from _of_health(states["clients"])
        yield from _of_serving(counts)
        yield from _of_configuration(states)
        yield from _of_process(counts, states)


def _of_clients(clients: _Clients) -> Iterator[Metric]:
    names = ("client",)
    yield _counter(
        "clipal_requests",
        "Requests of clients, by the status that was sent; 0 where the client disconnected first.",
        ("client", "status"),
        _nested(clients, lambda each: each["statuses"]),
    )
    yield _gauge(
        "clipal_open_requests",
        "Requests that are being answered.",
        names,
        _each(clients, lambda each: each["open_requests"]),
    )
    yield _counter(
        "clipal_request_bytes",
        "Bytes of the bodies of clients' requests.",
        names,
        _each(clients, lambda each: each["request_bytes"]),
    )
    yield _counter(
        "clipal_response_bytes",
        "Bytes of the bodies of answers that went to clients.",
        names,
        _each(clients, lambda each: each["response_bytes"]),
    )
    durations = (((client,), each["duration"]) for client, each in clients.items())
    help_text = "Time from a request's head to the end of its answer."
    yield _histogram("clipal_request_duration_seconds", help_text, names, durations)


def _of_tokens(counts: Counts) -> Metric:
    tokens: dict[tuple[str, ...], float] = {}
    answered = [each["by_token"] for each in counts["clients"].values()]
    refused = {name: each["refused"] for name, each in counts["client_tokens"].items()}
    for label, value in chain.from_iterable(map(_of_tables, (*answered, refused))):
        tokens[label] = tokens.get(label, 0) + value
    return _counter(
        "clipal_token_requests",
        "Requests that brought a client's token, by its name and the status that was sent.",
        ("token", "status"),
        tokens.items(),
    )


def _of_providers(clients: _Clients) -> Iterator[Metric]:
    names = ("client", "provider")
    found = {(client, name): each for client, of in clients.items() for name, each in of["providers"].items()}
    yield _counter(
        "clipal_attempts",
        "Attempts with a provider that have ended, by their outcome.",
        (*names, "outcome"),
        _of_pairs(found, lambda each: each["outcomes"]),
    )
    yield _counter(
        "clipal_failovers",
        "Requests that went on to another provider, by the one that failed and why.",
        (*names, "reason"),
        _of_pairs(found, lambda each: each["failovers"]),
    )
    yield _counter(
        "clipal_tokens",
        "Tokens that answers say they cost.",
        (*names, "kind"),
        _of_pairs(found, lambda each: each["tokens"]),
    )
    times = ((pair, each["first_byte"]) for pair, each in found.items())
    help_text = "Time from the beginning of an attempt until its answer began to go to the client."
    yield _histogram("clipal_time_to_first_byte_seconds", help_text, names, times)


def _of_health(clients: Mapping[str, ClientState]) -> Iterator[Metric]:
    names = ("client", "provider")
    rests = {
        (client, name): each["rests_seconds"]
        for client, of in clients.items()
        for name, each in of["providers"].items()
    }
    available = ((pair, float(not seconds)) for pair, seconds in rests.items())
    yield _gauge(
        "clipal_provider_available", "1 where a provider may be asked, 0 during its cooldown.", names, available
    )
    yield _gauge("clipal_provider_rest_seconds", "Time until a provider may be asked again.", names, rests.items())


def _of_serving(counts: Counts) -> Iterator[Metric]:
    yield _gauge("clipal_connections", "Open connections of clients.", (), [((), counts["connections"])])
    yield _counter(
        "clipal_refused",
        "Requests that clipal refused before any provider was asked, by the reason.",
        ("reason",),
        (((reason,), times) for reason, times in counts["refused"].items()),
    )


def _of_configuration(states: States) -> Iterator[Metric]:
    configuration = states["configuration"]
    yield _counter(
        "clipal_config_reloads",
        "Changed configurations, by whether they were taken.",
        ("result",),
        [(("success",), configuration["succeeded"]), (("failure",), configuration["failed"])],
    )
    help_text = "1 where the configuration files as they stand are in force, 0 where they have an error."
    successful = float(configuration["error"] is None)
    yield _gauge("clipal_config_last_reload_successful", help_text, (), [((), successful)])


def _of_process(counts: Counts, states: States) -> Iterator[Metric]:
    yield _counter(
        "clipal_log_lines_dropped",
        "Lines that nobody read from standard output in time.",
        (),
        [((), counts["log_lines_dropped"])],
    )
    help_text = "How late the event loop came to what was due, at most, within the last 15 seconds."
    yield _gauge("clipal_reactor_lag_seconds", help_text, (), [((), states["lag"])])
    build = ((VERSION, platform.python_version(), version("Twisted")), 1.0)
    help_text = "What is running; the value is always 1."
    yield _gauge("clipal_build_info", help_text, ("version", "python", "twisted"), [build])
    help_text = "Start time of the process since unix epoch in seconds."
    yield _gauge("process_start_time_seconds", help_text, (), [((), states["process_started"])])
    for name, value in counts["process"].items():
        kind = _counter if name.endswith("_total") else _gauge
        yield kind(name, _PROCESS.get(name, name), (), [((), value)])


# Families of prometheus-client


def _counter(name: str, help_text: str, labels: tuple[str, ...], values: _Labelled) -> Metric:
    return _filled(CounterMetricFamily(name, help_text, labels=labels), values)


def _gauge(name: str, help_text: str, labels: tuple[str, ...], values: _Labelled) -> Metric:
    return _filled(GaugeMetricFamily(name, help_text, labels=labels), values)


def _filled(family: CounterMetricFamily | GaugeMetricFamily, values: _Labelled) -> Metric:
    for label, value in values:
        family.add_metric(label, value)
    return family


def _histogram(
    name: str, help_text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], HistogramCounts]]
) -> Metric:
    family = HistogramMetricFamily(name, help_text, labels=labels)
    for label, each in values:
        buckets = list(zip(_LE, accumulate(each["counts"]), strict=True))
        family.add_metric(label, buckets, each["total"])
    return family


def _each(clients: _Clients, number: Callable[[ClientCounts], float]) -> _Labelled:
    return (((client,), number(each)) for client, each in clients.items())


def _nested(clients: _Clients, table: Callable[[ClientCounts], Mapping[str, int]]) -> _Labelled:
    return _of_tables({client: table(each) for client, each in clients.items()})


def _of_tables(tables: Mapping[str, Mapping[str, int]]) -> _Labelled:
    return (((outer, inner), value) for outer, table in tables.items() for inner, value in table.items())


def _of_pairs(
    found: Mapping[tuple[str, str], ProviderCounts], table: Callable[[ProviderCounts], Mapping[str, int]]
) -> _Labelled:
    return (((*pair, key), value) for pair, each in found.items() for key, value in table(each).items())
