"""Durations as operators write them, in Go's notation, and as they read them; and until when one lasts."""

from __future__ import annotations

import re
import time
from typing import Final

LONGEST_DURATION: Final = 10 * 365 * 86400.0
"""Seconds; a longer duration is taken for a mistake."""

_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})(h|ms|m|s|us|µs|μs|ns)")


def parse_duration(text: str) -> float:
    """Seconds of `1h30m`, `250ms`, `1.5s` or `0`.

    Raises:
        ValueError: for anything else; its text does not repeat `text`.
    """
    if text == "0":
        return 0.0
    if re.fullmatch(r"[0-9.]+", text):
        raise ValueError("a duration needs a unit, as in 30s, 5m or 1h30m")
    seconds, end = 0.0, 0
    while end < len(text):
        part = _PART.match(text, end)
        if part is None:
            raise ValueError("not a duration; write it as in 250ms, 30s, 5m or 1h30m, or 0")
        seconds, end = seconds + float(part[1]) * _UNITS[part[2]], part.end()
    if not text:
        raise ValueError("an empty duration; write it as in 250ms, 30s, 5m or 1h30m, or 0")
    if seconds > LONGEST_DURATION:
        raise ValueError("a duration of more than ten years")
    return seconds


def clock_time(at: float, now: float) -> str:
    """When `at` is, for people where clipal runs: `11:56`, and with its date where that is another one than now.

    Parameters:
        at: seconds since the epoch, and so is `now`.
    """
    then = time.localtime(at)
    same_day = then[:3] == time.localtime(now)[:3]
    return time.strftime("%H:%M" if same_day else "%Y-%m-%d %H:%M", then)


def format_duration(seconds: float) -> str:
    """`seconds` for people, in at most two units: `250ms`, `37s`, `2m30s`, `1h30m`, `3d2h`."""
    if 0 < seconds < 1:
        return f"{max(1, round(seconds * 1000))}ms"
    left = round(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
    return "".join(parts[:2]) or "0s"
