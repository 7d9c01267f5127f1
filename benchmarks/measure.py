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

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")
KIBIBYTE: Final = 1024


def family(pid: int) -> list[int]:
    """A process and its descendants: nginx works in a child."""
    children: list[int] = []
    for task in (_PROC / str(pid) / "task").iterdir():
        children += [int(each) for each in (task / "children").read_text().split()]
    return [pid, *(each for child in children for each in family(child))]


def cpu_seconds(pid: int) -> float:
    """CPU time, user and system, of a process and its descendants; in steps of a clock tick, 10 ms."""
    return sum(_ticks(each) for each in family(pid)) / _TICKS


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants; pages that they share count for each."""
    return sum(_resident(each) for each in family(pid))


@frozen
class Reading:
    """The CPU time of a window.

    Attributes:
        seconds: its length.
        proxy: CPU seconds of the proxy.
        others: CPU seconds of the upstream and the load.
    """

    seconds: float
    proxy: float
    others: float


class Meter:
    """Reads CPU time at both ends of a window, which opens when it is made.

    Parameters:
        proxy: the proxy's process, or None where there is no proxy.
        others: the other processes that take part; without their children, because those of the load are all others.
    """

    def __init__(self, proxy: int | None, others: Sequence[int]) -> None:
        self._proxy = proxy
        self._others = others
        self._before = self._read()

    def read(self) -> Reading:
        """The window from the beginning until now."""
        before, now = self._before, self._read()
        return Reading(now[0] - before[0], now[1] - before[1], now[2] - before[2])

    def _read(self) -> tuple[float, float, float]:
        proxy = 0.0 if self._proxy is None else cpu_seconds(self._proxy)
        return time.monotonic(), proxy, sum(_ticks(each) for each in self._others) / _TICKS


def machine() -> str:
    """The machine and the versions, for a report: one line."""
    cpu = _first(_PROC / "cpuinfo", "model name") or platform.machine()
    memory = int(_first(_PROC / "meminfo", "MemTotal").split()[0]) / KIBIBYTE**2
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"Linux {platform.release()}"
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB; {system}; {python}; {ssl.OPENSSL_VERSION}"


def _ticks(pid: int) -> int:
    """proc(5): fields 14 and 15, counted behind the command's name, which may hold blanks and parentheses."""
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _resident(pid: int) -> int:
    return int(_first(_PROC / str(pid) / "status", "VmRSS").split()[0]) * KIBIBYTE


def _first(path: Path, name: str) -> str:
    """The value of the first line of `path` that begins with `name`; empty if there is none."""
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
