"""How long a provider wants to be left alone: the longest of all the ways in which it says so, and an hour at most.

A hint may be anything: negative, of the year 9999, not a number. What makes no sense is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final

from clipal.dialects.dialect import Fields
from clipal.outcomes.error_body import ErrorBody

LONGEST: Final = 3600.0

_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")
_PARTS = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_UNITS: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_ANTHROPIC: Final = "anthropic-ratelimit-"
_EXHAUSTED: Final = ("rejected", "exceeded")


def explicit_wait(fields: Fields, error: ErrorBody, now: float) -> float | None:
    """What Retry-After, its variants and Google's RetryInfo say.

    Parameters:
        now: seconds since the epoch, for a date.

    Returns:
        seconds, an hour at most; None where nothing sensible is said.
    """
    return _longest(_explicit(_table(fields), error, now))


def rate_limit_wait(fields: Fields, error: ErrorBody, now: float) -> float | None:
    """The same of a 429, whose rate limit fields count too: those of windows that are exhausted."""
    table = _table(fields)
    return _longest([*_explicit(table, error, now), *_anthropic(table, now), *_openai(table)])


def is_a(detail: Mapping[str, Any], kind: str) -> bool:
    """Whether one of Google's error details is of `kind`, such as `google.rpc.RetryInfo`."""
    name = detail.get("@type")
    return isinstance(name, str) and name.endswith(kind)


def _longest(waits: Iterable[float | None]) -> float | None:
    sensible = [min(wait, LONGEST) for wait in waits if wait is not None and wait > 0]
    return max(sensible, default=None)


def _table(fields: Fields) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1").strip() for name, value in fields}


def _explicit(table: dict[str, str], error: ErrorBody, now: float) -> Iterator[float | None]:
    """RFC 9110, 10.2.3; `retry-after-ms` is OpenAI's and Azure's; RetryInfo is google.rpc's."""
    yield _number(table.get("retry-after", ""))
    yield _date(table.get("retry-after", ""), now)
    milliseconds = _number(table.get("retry-after-ms", ""))
    yield None if milliseconds is None else milliseconds / 1000
    for detail in error.details():
        if is_a(detail, "google.rpc.RetryInfo"):
            yield _duration(detail.get("retryDelay"))


def _anthropic(table: dict[str, str], now: float) -> Iterator[float | None]:
    """`…-reset` of each window that is rejected, or has nothing remaining (docs.anthropic.com, Rate limits)."""
    for name, value in table.items():
        if not (name.startswith(_ANTHROPIC) and name.endswith("-reset")):
            continue
        window = name.removesuffix("-reset")
        exhausted = table.get(f"{window}-remaining") == "0"
        if exhausted or table.get(f"{window}-status", "").lower() in _EXHAUSTED:
            yield _moment(value, now)


def _openai(table: dict[str, str]) -> list[float | None]:
    """`x-ratelimit-reset-…` of what has nothing remaining, or does not say how much."""
    kinds = ("requests", "tokens")
    spent = [kind for kind in kinds if table.get(f"x-ratelimit-remaining-{kind}", "0") == "0"]
    return [_duration(table.get(f"x-ratelimit-reset-{kind}", "")) for kind in spent]


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _duration(text: object) -> float | None:
    """`20ms`, `1s`, `6m0s`, `12`."""
    if not isinstance(text, str):
        return None
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = list(_PARTS.finditer(text[:64]))
    if not parts or "".join(part[0] for part in parts) != text:
        return None
    return sum(float(part[1]) * _UNITS[part[2]] for part in parts)


def _moment(text: str, now: float) -> float | None:
    """Seconds until an RFC 3339 time, or a time in seconds since the epoch."""
    epoch = _number(text)
    if epoch is not None:
        return epoch - now
    try:
        moment = datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() - now
    except (ValueError, OverflowError):
        return None


def _date(text: str, now: float) -> float | None:
    """Seconds until an HTTP date."""
    if not text.isascii() or not text[:1].isalpha():
        return None
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
