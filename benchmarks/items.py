"""The seven items that are measured, and what each figure is compared with.

An item's `run` measures one contestant once and returns a sample: a figure for each of the item's metrics. Goals are
those of docs/performance.md; the figures of the original in Go are of the same items on the reference machine.
"""

from __future__ import annotations

from typing import Final

from benchmarks import connections, traffic
from benchmarks.bench import Bench, Sample, percentile
from benchmarks.item import Compare, Goal, Item, Metric
from benchmarks.load import Plan, Run
from benchmarks.measure import KIBIBYTE
from benchmarks.proxies import CLIPAL, CONTESTANTS, DIRECT, FORWARDER, NGINX

MEBIBYTE: Final = KIBIBYTE**2


def json_requests(
    bench: Bench, name: str, *, kind: type[connections.Asking] = connections.ClosedLoop, tls: bool = False
) -> Sample:
    """Item 1: 32 connections, each with one request after the other, as fast as possible or at a fixed rate."""
    run = bench.load(Plan(kind, traffic.JSON, 32, 2048, bench.warm_up, bench.seconds), name, tls=tls)
    times = {"median": percentile(run.times, 0.5) / 1e3, "p99": percentile(run.times, 0.99) / 1e3}
    return {**_common(run, 1e6), **times}


def large_bodies(bench: Bench, name: str) -> Sample:
    """Item 2: 8 connections that send a megabyte each time."""
    plan = Plan(connections.ClosedLoop, traffic.JSON, 8, traffic.MEGABYTE, bench.warm_up, bench.seconds)
    run = bench.load(plan, name)
    return {**_common(run, 1e3), "median": percentile(run.times, 0.5) / 1e3}


def paced_streams(bench: Bench, name: str, *, tls: bool = False) -> Sample:
    """Item 3: 200 streams of 50 events a second; probes beside them see the time to the first byte."""
    plan = Plan(connections.PacedStream, traffic.PACED + b"50", 200, 2048, bench.warm_up, bench.seconds, bench.probes)
    run = bench.load(plan, name, tls=tls)
    delays = {"median": percentile(run.times, 0.5) / 1e3, "p99": percentile(run.times, 0.99) / 1e3}
    return {**_common(run, 1e6), **delays, "first": percentile(run.first_bytes, 0.5) * 1e3}


def fast_streams(bench: Bench, name: str) -> Sample:
    """Item 4: 8 streams of events as fast as possible; megabytes are counted without the framing."""
    run = bench.load(Plan(connections.FastStream, traffic.FAST, 8, 2048, bench.warm_up, bench.seconds), name)
    return _common(run, 1e3, units=run.units * traffic.EVENT_LENGTH / traffic.MEGABYTE)


def open_streams(bench: Bench, name: str) -> Sample:
    """Item 5: a thousand streams in a fresh process, after requests that make it load all its modules."""
    with bench.fresh(name) as proxy:
        idle = proxy.memory()
        bench.ask([proxy], 20)
        before = proxy.memory()
        plan = Plan(
            connections.PacedStream, traffic.PACED + b"1", 1000, 2048, 1.0, bench.seconds + 1, look=proxy.memory
        )
        run = bench.load_target(plan, proxy)
    return {**_common(run, 1e6), "idle": idle / MEBIBYTE, "stream": (run.held - before) / plan.connections / KIBIBYTE}


def failing_over(bench: Bench, name: str) -> Sample:
    """Item 6: how much later a stream's first byte comes where the first provider fails each time."""
    times = bench.fail_over(("refused", "503", "401"))
    direct = percentile(times.pop("none"), 0.5)
    sample = {}
    for kind, taken in times.items():
        sample[kind] = (percentile(taken, 0.5) - direct) * 1e3
        sample[f"{kind} p99"] = (percentile(taken, 0.99) - direct) * 1e3
    return sample


def cold_start(bench: Bench, name: str) -> Sample:
    """Item 7: from the start of the process to the answer of `/health`."""
    times = bench.cold_starts(name)
    return {"median": percentile(times, 0.5), "slowest": max(times)}


def _common(run: Run, scale: float, units: float | None = None) -> dict[str, float]:
    """CPU of the proxy per unit, units per second, and CPU of upstream and load in % of a core."""
    count = run.units if units is None else units
    reading = run.reading
    return {
        "cpu": reading.proxy / count * scale,
        "rate": count / reading.seconds,
        "others": reading.others / reading.seconds * 100,
    }


def _metrics(unit: str, cpu: str, *others: Metric) -> tuple[Metric, ...]:
    return (
        Metric("cpu", f"CPU, {cpu} per {unit}", ratio=True),
        *others,
        Metric("rate", f"{unit}s per second", 0),
        Metric("others", "upstream and load, % of a core", 0),
    )


_LATENCY: Final = (Metric("median", "latency, ms: median"), Metric("p99", "p99"))
_DELAY: Final = (
    Metric("median", "delay of an event, ms: median"),
    Metric("p99", "p99"),
    Metric("first", "time to first byte, ms"),
)
_DELAY_GOALS: Final = (Goal("median", Compare.OVER_NGINX, 0.2), Goal("first", Compare.OVER_DIRECT, 1.0))
_WITHOUT_FORWARDER: Final = tuple(name for name in CONTESTANTS if name != FORWARDER)

ITEMS: Final = (
    Item(
        "1",
        "JSON request, 2 kB up and 1 kB down, 32 connections",
        _metrics("request", "µs", *_LATENCY),
        [Goal("cpu", Compare.RATIO, 2.5, (3.7, 4.4))],
        json_requests,
    ),
    Item(
        "1tls",
        "The same with a TLS upstream",
        _metrics("request", "µs", *_LATENCY),
        [Goal("cpu", Compare.RATIO, 2.5, (7.8, 9.9))],
        lambda bench, name: json_requests(bench, name, tls=True),
        _WITHOUT_FORWARDER,
    ),
    Item(
        "1rate",
        "JSON request as in 1, for everyone 5 000 a second",
        _metrics("request", "µs", *_LATENCY),
        [Goal("cpu", Compare.RATIO, 2.5)],
        lambda bench, name: json_requests(bench, name, kind=connections.SteadyLoop),
    ),
    Item(
        "1ratetls",
        "The same with a TLS upstream",
        _metrics("request", "µs", *_LATENCY),
        [Goal("cpu", Compare.RATIO, 2.5)],
        lambda bench, name: json_requests(bench, name, kind=connections.SteadyLoop, tls=True),
        _WITHOUT_FORWARDER,
    ),
    Item(
        "2",
        "1 MB request body, small answer, 8 connections",
        _metrics("request", "ms", Metric("median", "latency, ms: median")),
        [Goal("cpu", Compare.RATIO, 1.3, (1.8, 2.4))],
        large_bodies,
    ),
    Item(
        "3",
        "200 streams of 50 events a second, 100 bytes each",
        _metrics("event", "µs", *_DELAY),
        [Goal("cpu", Compare.RATIO, 1.6, (1.7, 1.8)), *_DELAY_GOALS],
        paced_streams,
    ),
    Item(
        "3tls",
        "The same with a TLS upstream",
        _metrics("event", "µs", *_DELAY),
        [Goal("cpu", Compare.RATIO, 1.5, (1.4, 1.7)), *_DELAY_GOALS],
        lambda bench, name: paced_streams(bench, name, tls=True),
        _WITHOUT_FORWARDER,
    ),
    Item(
        "4",
        "8 streams as fast as they go",
        _metrics("MB", "ms"),
        [Goal("cpu", Compare.RATIO, 1.2, (1.2, 1.4))],
        fast_streams,
    ),
    Item(
        "5",
        "1 000 open streams with an event a second",
        _metrics("event", "µs", Metric("stream", "memory, KiB per stream", 1), Metric("idle", "idle, MiB", 1)),
        [Goal("stream", Compare.PLAIN, 40), Goal("idle", Compare.PLAIN, 70)],
        open_streams,
        tuple(name for name in CONTESTANTS if name != DIRECT),
        every=2,
    ),
    Item(
        "6",
        "Time to fail over: the first provider refuses, answers 503, answers 401",
        [
            Metric(f"{kind}{suffix}", f"{kind}{suffix or ', ms: median'}")
            for kind in ("refused", "503", "401")
            for suffix in ("", " p99")
        ],
        [Goal(kind, Compare.PLAIN, 3.0) for kind in ("refused", "503", "401")],
        failing_over,
        (CLIPAL,),
        every=2,
    ),
    Item(
        "7",
        "Cold start until /health answers",
        [Metric("median", "seconds: median", 3), Metric("slowest", "slowest", 3)],
        [Goal("median", Compare.PLAIN, 1.0)],
        cold_start,
        (NGINX, CLIPAL),
        every=2,
    ),
)
