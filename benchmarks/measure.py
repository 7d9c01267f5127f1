"""CPU time and memory of processes, and the description of the machine, from Linux' /proc."""

from __future__ import annotations

import os
import platform
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

_PROC: Final = Path("/proc")
KIBIBYTE: Final = 1024


def family(pid: int) -> list[int]:
    """A process and its descendants: nginx works in a child."""
    children: list[int] = []
    for task in (_PROC / str(pid) / "task").iterdir():
        children += [int(each) for each in (task / "children").read_text().split()]
    return [pid, *(each for child in children for each in family(child))]


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants; pages that they share count for each."""
    return sum(_resident(each) for each in family(pid))


@frozen
class Spent:
    """The CPU time that a process has taken so far.

    Attributes:
        seconds: all of it, to the nanosecond.
        user: in clock ticks; with `system`, only the share of each is used.
    """

    seconds: float
    user: int
    system: int

    @classmethod
    def of(cls, pid: int) -> Spent:
        """What a process has taken, without its children. proc(5): `stat` gives ticks, 14 and 15 behind the name."""
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return cls(
            sum(map(_nanoseconds, (_PROC / str(pid) / "task").iterdir())) / 1e9, int(fields[11]), int(fields[12])
        )


@frozen
class Reading:
    """The CPU time of a window.

    Attributes:
        seconds: its length.
        proxy: CPU seconds of the proxy.
        user: of these, the part that was not the kernel's, from 0 to 1.
        busiest: CPU seconds of the busiest of the proxy's processes.
        others: CPU seconds of the upstream and the load.
    """

    seconds: float
    proxy: float
    user: float
    busiest: float
    others: float


class Meter:
    """Reads CPU time at both ends of a window, which opens when it is made.

    Parameters:
        proxy: the proxy's process, or None where there is no proxy.
        others: the other processes that take part; without their children, because those of the load are all others.
    """

    def __init__(self, proxy: int | None, others: Sequence[int]) -> None:
        self._proxy = [] if proxy is None else family(proxy)
        self._others = others
        self._begun = time.monotonic()
        self._before = self._read()

    def read(self) -> Reading:
        """The window from the beginning until now."""
        seconds, before, now = time.monotonic() - self._begun, self._before, self._read()
        taken = {pid: now[pid].seconds - spent.seconds for pid, spent in before.items()}
        proxy = [taken[pid] for pid in self._proxy]
        user = sum(now[pid].user - before[pid].user for pid in self._proxy)
        system = sum(now[pid].system - before[pid].system for pid in self._proxy)
        share = user / (user + system) if user + system else 0.0
        return Reading(seconds, sum(proxy), share, max(proxy, default=0.0), sum(taken[pid] for pid in self._others))

    def _read(self) -> dict[int, Spent]:
        return {pid: Spent.of(pid) for pid in (*self._proxy, *self._others)}


def machine() -> str:
    """The machine and the versions, for a report: one line."""
    cpu = _first(_PROC / "cpuinfo", "model name") or platform.machine()
    memory = int(_first(_PROC / "meminfo", "MemTotal").split()[0]) / KIBIBYTE**2
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"Linux {platform.release()}"
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB; {system}; {python}; {ssl.OPENSSL_VERSION}"


def _nanoseconds(task: Path) -> int:
    """The CPU time of one thread; 0 if it has ended."""
    try:
        return int((task / "schedstat").read_text().split()[0])
    except FileNotFoundError:
        return 0


def _resident(pid: int) -> int:
    return int(_first(_PROC / str(pid) / "status", "VmRSS").split()[0]) * KIBIBYTE


def _first(path: Path, name: str) -> str:
    """The value of the first line of `path` that begins with `name`; empty if there is none."""
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
