"""How each item is run: a contestant is measured once, and the sample has a figure for each of the item's metrics."""

from __future__ import annotations

from functools import partial
from typing import Final

from attrs import evolve

from benchmarks import traffic
from benchmarks.bench import Bench, Sample, percentile
from benchmarks.connections import ClosedLoop, SteadyLoop
from benchmarks.load import LONG, SHORT, Kind, Plan, Run
from benchmarks.measure import KIBIBYTE
from benchmarks.requests import Heads
from benchmarks.streams import FastStream, PacedStream, Turns

MEBIBYTE: Final = KIBIBYTE**2
TURNS: Final = 100
"""How many turns of agents are under way at a time."""
_CONNECTIONS: Final = 32


def json_requests(
    bench: Bench,
    name: str,
    *,
    tls: bool = False,
    rate: int | None = None,
    length: int = SHORT,
    heads: Heads = Heads.REPEATING,
    connections: int = _CONNECTIONS,
) -> Sample:
    """Requests with small answers, one after the other on each connection.

    Parameters:
        rate: requests a second in all; as fast as possible if None.
    """
    kind: Kind = ClosedLoop if rate is None else partial(SteadyLoop, interval=connections / rate)
    in_pieces = rate is not None and length == LONG
    plan = Plan(kind, traffic.JSON, connections, length, bench.warm_up, bench.seconds, heads, in_pieces)
    run = bench.load(plan, name, tls=tls)
    return {**_common(run, 1e6), **_split(run, run.units), **_times(run)}


def large_bodies(bench: Bench, name: str, *, rate: int | None = None) -> Sample:
    """8 connections that send a megabyte each time; CPU in milliseconds."""
    sample = json_requests(bench, name, rate=rate, length=traffic.MEGABYTE, connections=8)
    return {**sample, "cpu": sample["cpu"] / 1e3}


def paced_streams(bench: Bench, name: str, *, tls: bool = False) -> Sample:
    """200 streams of 50 events a second; probes beside them see the time to the first byte."""
    wanted = traffic.PACED + b"50"
    plan = Plan(PacedStream, wanted, 200, SHORT, bench.warm_up, bench.seconds, probes=bench.probes)
    run = bench.load(plan, name, tls=tls)
    first = percentile(run.probes, 0.5) * 1e3
    return {**_common(run, 1e6), **_split(run, run.units), **_times(run), "first": first}


def fast_streams(bench: Bench, name: str, *, wanted: bytes = traffic.FAST) -> Sample:
    """8 streams of events; megabytes are counted without the framing."""
    run = bench.load(Plan(FastStream, wanted, 8, SHORT, bench.warm_up, bench.seconds), name)
    return _common(run, 1e3, units=run.units * traffic.EVENT_LENGTH / traffic.MEGABYTE)


def turns(bench: Bench, name: str, *, tls: bool = False, heads: Heads = Heads.REPEATING) -> Sample:
    """Agents' turns, as many as `TURNS` at a time, in a fresh process.

    A window cuts turns at both ends, so they are counted by their events.
    """
    with bench.fresh(name, tls=tls) as proxy:
        idle = proxy.memory()
        run = bench.load_target(_turns(bench, heads), proxy)
    count = run.units / traffic.TURN_EVENTS
    return {
        **_common(run, 1e6, units=count),
        **_split(run, count),
        **_times(run),
        "event": run.reading.proxy / run.units * 1e6,
        "first": percentile(run.first_bytes, 0.5) / 1e3,
        "idle": idle / MEBIBYTE,
        "memory": run.held / MEBIBYTE,
    }


def first_bytes(bench: Bench, name: str) -> Sample:
    """Single requests as long as a turn's, beside turns; both percentiles need many of them."""
    plan = evolve(_turns(bench, Heads.REPEATING), seconds=0, probes=bench.probes * 10, probe_length=LONG)
    probes = bench.load(plan, name).probes
    return {"median": percentile(probes, 0.5) * 1e3, "p99": percentile(probes, 0.99) * 1e3}


def open_streams(bench: Bench, name: str, *, tls: bool = False) -> Sample:
    """A thousand streams in a fresh process, after requests that make it load all its modules."""
    with bench.fresh(name, tls=tls) as proxy:
        idle = proxy.memory()
        bench.ask([proxy], 20)
        before = proxy.memory()
        plan = Plan(PacedStream, traffic.PACED + b"1", 1000, SHORT, 1.0, bench.seconds + 1)
        run = bench.load_target(plan, proxy)
    return {**_common(run, 1e6), "idle": idle / MEBIBYTE, "stream": (run.held - before) / plan.connections / KIBIBYTE}


def failing_over(bench: Bench, name: str) -> Sample:
    """How much later a stream's first byte comes where the first provider fails each time."""
    times = bench.fail_over(("refused", "503", "401"))
    direct = percentile(times.pop("none"), 0.5)
    sample = {}
    for kind, taken in times.items():
        sample[kind] = (percentile(taken, 0.5) - direct) * 1e3
        sample[f"{kind} p99"] = (percentile(taken, 0.99) - direct) * 1e3
    return sample


def cold_start(bench: Bench, name: str) -> Sample:
    """From the start of the process to the answer of `/health`."""
    times = bench.cold_starts(name)
    return {"median": percentile(times, 0.5), "slowest": max(times)}


def _turns(bench: Bench, heads: Heads) -> Plan:
    warm_up = bench.warm_up * 2
    return Plan(Turns, traffic.TURN, TURNS, LONG, warm_up, bench.turn_seconds, heads, in_pieces=True)


def _common(run: Run, scale: float, units: float | None = None) -> dict[str, float]:
    """CPU of the proxy per unit, units per second, units per second of CPU, and CPU of upstream and load."""
    count = run.units if units is None else units
    reading = run.reading
    return {
        "cpu": reading.proxy / count * scale,
        "rate": count / reading.seconds,
        "busiest": count / reading.busiest if reading.busiest else 0.0,
        "others": reading.others / reading.seconds * 100,
    }


def _split(run: Run, count: float) -> dict[str, float]:
    """Microseconds of CPU per unit in the proxy's own code and in the kernel."""
    whole, share = run.reading.proxy / count * 1e6, run.reading.user
    return {"user": whole * share, "system": whole * (1 - share)}


def _times(run: Run) -> dict[str, float]:
    """What a unit took, in milliseconds."""
    return {"median": percentile(run.times, 0.5) / 1e3, "p99": percentile(run.times, 0.99) / 1e3}
