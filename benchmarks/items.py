"""The items that are measured, and what each figure is compared with.

Figures of the original in Go are of the same situations on the machine that the goals come from.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from benchmarks import runs, traffic
from benchmarks.contestants import CLIPAL, DIRECT, FORWARDER, LOOP, NGINX, POOL, TWISTD, WORKERS
from benchmarks.item import Compare, Goal, Item, Metric
from benchmarks.load import LONG
from benchmarks.requests import Heads


def _metrics(unit: str, cpu: str, *others: Metric) -> tuple[Metric, ...]:
    return (
        Metric("cpu", f"CPU, {cpu} per {unit}", ratio=True),
        *others,
        Metric("rate", f"{unit}s per second", 0),
        Metric("others", "upstream and load, % of a core", 0),
    )


def _ratio(limit: float, *original: float) -> Goal:
    """A goal for CPU per unit, as a ratio to nginx's; `original` is one figure or the least and the most."""
    return Goal("cpu", Compare.RATIO, limit, (min(original), max(original)) if original else None)


_SPLIT: Final = (Metric("user", "user, µs", 1), Metric("system", "system, µs", 1))
_LATENCY: Final = (Metric("median", "latency, ms: median"), Metric("p99", "p99"))
_REQUEST: Final = _metrics("request", "µs", *_SPLIT, *_LATENCY)
_LARGE: Final = _metrics("request", "ms", Metric("median", "latency, ms: median"))
_DELAY: Final = (Metric("median", "delay of an event, ms: median"), Metric("p99", "p99"))
_EVENT: Final = _metrics("event", "µs", *_SPLIT, *_DELAY, Metric("first", "time to first byte, ms"))
_DELAY_GOALS: Final = (Goal("median", Compare.OVER_NGINX, 0.2), Goal("first", Compare.OVER_DIRECT, 1.0))
_TURN: Final = _metrics(
    "turn",
    "µs",
    Metric("user", "user, µs", 0),
    Metric("system", "system, µs", 0),
    Metric("event", "CPU, µs per event", 1),
    *_DELAY,
    Metric("first", "time to first byte, ms"),
    Metric("memory", "memory, MiB", 1),
)
_MEMORY: Final = _metrics("event", "µs", Metric("stream", "memory, KiB per stream", 1), Metric("idle", "idle, MiB", 1))
_TWISTD: Final = Goal("cpu", Compare.RATIO_TO_CLIPAL, 1.05, contestant=TWISTD)
"""The same: larger differences than this would be seen in all rounds."""

_SECURED: Final = (NGINX, CLIPAL)
"""Of those with an upstream that speaks TLS; the forwarder cannot."""

_TURNS: Final = (
    Item(
        "turn",
        "An agent's turn: 60 kB up, 150 events of 180 bytes down; 100 at a time",
        _TURN,
        [_ratio(1.4, 1.64), _TWISTD],
        runs.turns,
        (NGINX, LOOP, FORWARDER, CLIPAL, TWISTD),
    ),
    Item(
        "turntls",
        "The same with a TLS upstream",
        _TURN,
        [_ratio(1.3, 1.36), _TWISTD],
        partial(runs.turns, tls=True),
        (*_SECURED, TWISTD),
    ),
    Item(
        "turnheads",
        "An agent's turn as in turn, with heads that change with each request",
        _TURN,
        [_ratio(1.4)],
        partial(runs.turns, heads=Heads.CHANGING),
        _SECURED,
    ),
    Item(
        "first",
        "The first byte of an answer to 60 kB, beside 100 turns",
        [Metric("median", "time to first byte, ms: median"), Metric("p99", "p99")],
        [
            Goal("median", Compare.OVER_NGINX, 0.5, (0.3, 0.3)),
            Goal("p99", Compare.OVER_NGINX, 1.0, (-0.6, -0.6)),
        ],
        runs.first_bytes,
        (DIRECT, NGINX, CLIPAL),
    ),
)

_REQUESTS: Final = (
    Item(
        "1",
        "JSON request, 2 kB up and 1 kB down, 32 connections",
        _REQUEST,
        [_ratio(3.3, 3.5, 3.6), _TWISTD],
        runs.json_requests,
        (DIRECT, NGINX, FORWARDER, CLIPAL, TWISTD),
    ),
    Item(
        "1heads",
        "The same with heads that change with each request",
        _REQUEST,
        [_ratio(4.0)],
        partial(runs.json_requests, heads=Heads.CHANGING),
        _SECURED,
    ),
    Item(
        "1tls",
        "JSON request as in 1, with a TLS upstream",
        _REQUEST,
        [_ratio(4.5, 9.1)],
        partial(runs.json_requests, tls=True),
        (DIRECT, *_SECURED),
    ),
    Item(
        "1rate",
        "JSON request as in 1, for everyone 3 000 a second",
        _REQUEST,
        [_ratio(3.3)],
        partial(runs.json_requests, rate=3000),
        (DIRECT, NGINX, LOOP, FORWARDER, CLIPAL),
    ),
    Item(
        "1ratetls",
        "The same with a TLS upstream",
        _REQUEST,
        [_ratio(4.5)],
        partial(runs.json_requests, rate=3000, tls=True),
        (DIRECT, *_SECURED),
    ),
    Item(
        "60k",
        "60 kB up, JSON down, 32 connections",
        _REQUEST,
        [_ratio(3.0, 4.5)],
        partial(runs.json_requests, length=LONG),
    ),
    Item(
        "60krate",
        "The same for everyone 1 000 a second, in pieces",
        _REQUEST,
        [_ratio(3.0)],
        partial(runs.json_requests, length=LONG, rate=1000),
        (NGINX, LOOP, FORWARDER, CLIPAL),
    ),
    Item("2", "1 MB request body, small answer, 8 connections", _LARGE, [_ratio(1.3, 2.3)], runs.large_bodies),
    Item(
        "2rate",
        "The same for everyone 300 a second",
        _LARGE,
        [_ratio(1.3)],
        partial(runs.large_bodies, rate=300),
        (NGINX, FORWARDER, CLIPAL),
    ),
)

_STREAMS: Final = (
    Item(
        "3",
        "200 streams of 50 events a second, 100 bytes each",
        _EVENT,
        [_ratio(1.35, 1.5, 1.8), *_DELAY_GOALS],
        runs.paced_streams,
        (DIRECT, NGINX, LOOP, FORWARDER, CLIPAL),
    ),
    Item(
        "3tls",
        "The same with a TLS upstream",
        _EVENT,
        [_ratio(1.4, 1.49), *_DELAY_GOALS],
        partial(runs.paced_streams, tls=True),
        (DIRECT, *_SECURED),
    ),
    Item("4", "8 streams as fast as they go", _metrics("MB", "ms"), [_ratio(1.0, 2.7)], runs.fast_streams),
    Item(
        "4rate",
        "8 streams of 16 kB blocks, for everyone 64 MB a second",
        _metrics("MB", "ms"),
        [_ratio(1.0)],
        partial(runs.fast_streams, wanted=traffic.BLOCKS + b"500"),
        (NGINX, FORWARDER, CLIPAL),
    ),
    Item(
        "5",
        "1 000 open streams with an event a second",
        _MEMORY,
        [Goal("stream", Compare.PLAIN, 24, (44, 44)), Goal("idle", Compare.PLAIN, 55, (8.5, 8.5))],
        runs.open_streams,
        (NGINX, FORWARDER, CLIPAL),
        every=2,
    ),
    Item(
        "5tls",
        "The same with a TLS upstream",
        _MEMORY,
        [Goal("stream", Compare.PLAIN, 40)],
        partial(runs.open_streams, tls=True),
        _SECURED,
        every=2,
    ),
)

_OTHERS: Final = (
    Item(
        "6",
        "Time to fail over: the first provider refuses, answers 503, answers 401",
        [
            Metric(f"{kind}{suffix}", f"{kind}{suffix or ', ms: median'}")
            for kind in ("refused", "503", "401")
            for suffix in ("", " p99")
        ],
        [Goal(kind, Compare.PLAIN, 3.0) for kind in ("refused", "503", "401")],
        runs.failing_over,
        (CLIPAL,),
        every=2,
        peers=False,
    ),
    Item(
        "7",
        "Cold start until /health answers",
        [Metric("median", "seconds: median", 3), Metric("slowest", "slowest", 3)],
        [Goal("median", Compare.PLAIN, 1.0)],
        runs.cold_start,
        (NGINX, CLIPAL),
        every=2,
    ),
    Item(
        "workers",
        "JSON request as in 1: one process on a core, and two on two cores (the load shares the second of two)",
        _metrics("request", "µs", Metric("busiest", "requests per CPU second of the busiest process", 0)),
        [
            Goal("rate", Compare.RATIO_TO_CLIPAL, 1.8, contestant=WORKERS, least=True),
            Goal("busiest", Compare.RATIO_TO_CLIPAL, 1.8, contestant=WORKERS, least=True),
        ],
        runs.json_requests,
        (CLIPAL, WORKERS, POOL),
        peers=False,
    ),
)

ITEMS: Final = (*_TURNS, *_REQUESTS, *_STREAMS, *_OTHERS)
