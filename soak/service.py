"""A service that loses nothing, shown: `python -m soak.service [--seconds N] [--report FILE] [EVENT …]`.

Each event happens under 30 clients that keep their connections, 20 that open one for each request, and 100 open
streams. What is lost is counted on the clients' side. The status is 1 where more was lost than is allowed.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from attrs import frozen

from soak import service_events as events
from soak.service_events import Activated, Instance, Pool
from soak.service_load import FRESH, KEEPING, STREAMS, Load, Seen, serve_provider

Happen: TypeAlias = Callable[[Instance, Load], Awaitable[str]]
_PLAIN = "port: {port}\n"
_TLS = "port: {port}\ntls: {{certificate: tls.pem, key: tls.key}}\n"
_WORKERS = "port: {port}\nworkers: 2\n"
_SYSTEMD = "listen: ['systemd:domain=INET:name=clipal']\n"


@frozen
class Event:
    """One row of the table.

    Attributes:
        kills: whether open streams of a process may be cut; then it happens once.
    """

    title: str
    happen: Happen
    settings: str = _PLAIN
    kind: type[Instance] = Instance
    kills: bool = False
    needs: str = ""


EVENTS = {
    "sighup": Event("SIGHUP", events.hang_up),
    "log": Event("log rotation, SIGUSR1", events.rotate),
    "certificate": Event("certificate renewed, SIGHUP", events.renew, _TLS, needs="openssl"),
    "socket": Event("restart on a socket as systemd passes it", events.restart, _SYSTEMD, Activated),
    "upgrade": Event("`clipal upgrade`", events.upgrade),
    "roll": Event("rolling reload of 2 workers, twice in a row", events.roll, _WORKERS),
    "kill-worker": Event("SIGKILL of one of 2 workers", events.kill_worker, _WORKERS, kills=True),
    "pool-end": Event("SIGTERM of one of three behind HAProxy", events.end_one, kind=Pool, needs="haproxy"),
    "pool-kill": Event(
        "SIGKILL of one of three behind HAProxy", events.kill_one, kind=Pool, kills=True, needs="haproxy"
    ),
}


@frozen
class Row:
    """What one event cost."""

    event: Event
    times: int
    seconds: float
    seen: Seen
    said: str

    @property
    def is_allowed(self) -> bool:
        """Whether nothing was lost but what a killed process had open."""
        return not self.seen.lost and (self.event.kills or not self.seen.cut)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the events and writes the report."""
    parser = argparse.ArgumentParser(prog="python -m soak.service")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--report", type=Path)
    parser.add_argument("events", nargs="*", metavar="EVENT", help=", ".join(EVENTS))
    options = parser.parse_args(argv)
    unknown = [name for name in options.events if name not in EVENTS]
    if unknown:
        parser.error(f"there is no event {unknown[0]}")
    rows = []
    for name in options.events or EVENTS:
        event = EVENTS[name]
        if event.needs and shutil.which(event.needs) is None:
            print(f"left out, for want of {event.needs}: {event.title}", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as directory:
            rows.append(asyncio.run(_run(event, Path(directory), options.seconds)))
        print(_line(rows[-1]), flush=True)
    text = report(rows)
    if options.report is not None:
        options.report.parent.mkdir(parents=True, exist_ok=True)
        options.report.write_text(text)
    print(text)
    return 0 if all(row.is_allowed for row in rows) else 1


async def _run(event: Event, directory: Path, seconds: float) -> Row:
    provider, port = await serve_provider()
    instance = event.kind(directory / "clipal", port, event.settings)
    if "tls" in event.settings:
        events.make_certificate(instance.directory)
    await instance.start()
    load = Load(instance.port, tls="tls" in event.settings)
    await load.start()
    began, times, said = time.monotonic(), 0, ""
    while times == 0 or (time.monotonic() - began < seconds and not event.kills):
        said = await event.happen(instance, load)
        times += 1
    await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
    seen = await load.stop()
    row = Row(event, times, time.monotonic() - began, seen, said)
    await instance.end()
    provider.close()
    return row


def report(rows: Sequence[Row]) -> str:
    """All of it as Markdown."""
    lines = [
        "# What the service loses",
        "",
        f"Under {KEEPING} clients that keep their connections, {FRESH} that open one for each request, and {STREAMS}",
        "open streams of eight seconds, counted by the clients. A request is lost where it got no whole answer, or",
        "another one than the provider's. Those that a killed process had under way stand by themselves.",
        "",
        "| event | times | seconds | requests | lost | under way when killed | closed unannounced "
        "| streams whole | cut | |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *map(_line, rows),
    ]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    seen = row.seen
    lost = ", ".join(f"{times} of {what}" for what, times in seen.lost.items()) or "0"
    verdict = "as allowed" if row.is_allowed else "**more than allowed**"
    said = f"{verdict}; {row.said}" if row.said else verdict
    cells = (
        row.event.title, row.times, f"{row.seconds:.0f}", seen.requests, lost, seen.under_way, seen.closed,
        seen.whole, seen.cut, said,
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main())
