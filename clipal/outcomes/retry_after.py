"""The cooldown that a provider asks for: the longest of all its hints, and an hour at most.

A hint may be anything: negative, of the year 9999, not a number. A hint that makes no sense is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Final

from clipal.dialects.dialect import FieldPairs
from clipal.outcomes.error_body import ErrorBody, is_a

LONGEST_WAIT: Final = 3600.0

_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")
_PARTS = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_UNITS: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = (
    r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?"
    r"(milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?|d)(?![a-z])"
)
_WORDED: Final = re.compile(_PART)
_AGAIN: Final = re.compile(rf"(?:(?:try again|retry|will reset) (?:in|after)|please wait) ((?:{_PART},? ?)+)")
_EPOCH: Final = 1e9
_LARGE: Final = 1e15
_ANTHROPIC: Final = "anthropic-ratelimit-"
_EXHAUSTED: Final = ("rejected", "exceeded")


def explicit_wait(fields: FieldPairs, error: ErrorBody, now: float) -> float | None:
    """The wait that the answer names. OpenAI's fields of its windows do not count: every answer has them.

    Parameters:
        now: seconds since the epoch, for a date.

    Returns:
        seconds, an hour at most; None without a sensible hint.
    """
    return _longest(_explicit(_table(fields, error), error, now)) or _longest([_in_words(error.message)])


def rate_limit_wait(fields: FieldPairs, error: ErrorBody, now: float) -> float | None:
    """The wait that a 429 names. OpenAI's fields count too, those of exhausted windows."""
    table = _table(fields, error)
    return _longest([*_explicit(table, error, now), *_openai(table)]) or _longest([_in_words(error.message)])


def _longest(waits: Iterable[float | None]) -> float | None:
    sensible = [min(wait, LONGEST_WAIT) for wait in waits if wait is not None and wait > 0]
    return max(sensible, default=None)


def _table(fields: FieldPairs, error: ErrorBody) -> dict[str, str]:
    """The header fields, and those that OpenRouter got from its own provider and put into the body."""
    table = {name.decode("latin-1").lower(): value.decode("latin-1").strip() for name, value in fields}
    metadata = error.error.get("metadata")
    inner = metadata.get("headers") if isinstance(metadata, dict) else None
    if isinstance(inner, dict):
        table.update((name.lower(), str(value)[:64]) for name, value in list(inner.items())[:64])
    return table


def _explicit(table: dict[str, str], error: ErrorBody, now: float) -> Iterator[float | None]:
    """Retry-After is from RFC 9110, 10.2.3; `retry-after-ms` from OpenAI and Azure; RetryInfo from google.rpc."""
    yield _number(table.get("retry-after", ""))
    yield _date(table.get("retry-after", ""), now)
    milliseconds = _number(table.get("retry-after-ms", ""))
    yield None if milliseconds is None else milliseconds / 1000
    yield from _anthropic(table, now)
    yield from _codex(table)
    if table.get("x-ratelimit-remaining") == "0":
        yield _reset(table.get("x-ratelimit-reset", ""), now)
    for detail in error.details():
        if is_a(detail, "google.rpc.RetryInfo"):
            yield _duration(detail.get("retryDelay"))
    for known in (error.error, error.document):  # OpenAI's for Codex, and Cloudflare's problem documents
        yield _number(_text(known.get("resets_in_seconds")))
        yield _moment(_text(known.get("resets_at")), now)
        yield _number(_text(known.get("retry_after")))


def _anthropic(table: dict[str, str], now: float) -> Iterator[float | None]:
    """`…-reset` of each window that is rejected, or has nothing remaining (docs.anthropic.com, Rate limits)."""
    for name, value in table.items():
        if not (name.startswith(_ANTHROPIC) and name.endswith("-reset")):
            continue
        window = name.removesuffix("-reset")
        exhausted = table.get(f"{window}-remaining") == "0"
        if exhausted or table.get(f"{window}-status", "").lower() in _EXHAUSTED:
            yield _moment(value, now)


def _codex(table: dict[str, str]) -> Iterator[float | None]:
    """`x-codex-…-reset-after-seconds` of each window that is used up."""
    for window in ("x-codex-primary", "x-codex-secondary"):
        used = _number(table.get(f"{window}-used-percent", ""))
        if used is not None and used >= 100:
            yield _number(table.get(f"{window}-reset-after-seconds", ""))


def _reset(text: str, now: float) -> float | None:
    """Seconds from now, or a time since the epoch: a large number is in seconds, a still larger one in milliseconds."""
    number = _number(text)
    if number is None or number < _EPOCH:
        return number
    return (number / 1000 if number >= 100 * _EPOCH else number) - now


def _in_words(message: str) -> float | None:
    """The wait in a message such as `Please try again in 7m33.5s`."""
    found = _AGAIN.search(message)
    if found is None:
        return None
    parts = _WORDED.findall(found[1])
    return sum(float(number) * _UNITS["ms" if unit.startswith(("ms", "milli")) else unit[0]] for number, unit in parts)


def _text(value: object) -> str:
    """A number or a text of a JSON document as a text; empty for any other value."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return ""
    return value[:64] if isinstance(value, str) else f"{value:.15g}" if abs(value) < _LARGE else ""


def _openai(table: dict[str, str]) -> list[float | None]:
    """`x-ratelimit-reset-…` of each kind that has nothing remaining, or does not say how much remains."""
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
    """Seconds until an HTTP date, which may lack the day of the week."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
