"""What an answer, or its absence, means: relay it or ask the next provider, and what it says about the provider.

The table of the failover contract, as code. Reasons are our own words: what a provider wrote is never repeated, for
it may have echoed its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any, Final

from attrs import frozen

from clipal.dialects.dialect import Fields, field_value
from clipal.outcomes.error_body import ErrorBody
from clipal.outcomes.retry_after import explicit_wait, is_a, rate_limit_wait

RATE_LIMIT: Final = "rate limit"
CHALLENGE_COOLDOWN: Final = 60.0
"""Seconds that a challenge page, or an overloaded provider's hint, rests a provider at most."""


class Action(Enum):
    """What becomes of the request."""

    RELAY = "relay"
    NEXT = "next"


class Charge(Enum):
    """What is said about the provider."""

    SUCCESS = "success"
    NEUTRAL = "neutral"
    FAILURE = "failure"
    COOLDOWN = "cooldown"
    DEACTIVATE = "deactivate"


@frozen
class Outcome:
    """The end of an attempt.

    Attributes:
        reason: in an operator's words; empty for an answer that is relayed.
        status: the answer's, or the one that its first event stands for; None without an answer.
        wait: seconds for which the provider wants to be left alone; None where it does not say.
        network: whether there was no connection, or none that lasted until an answer: maybe our own network's fault.
        of_key: whether it concerns the key that was used, and not the provider as a whole.
    """

    action: Action
    charge: Charge
    reason: str = ""
    status: int | None = None
    wait: float | None = None
    network: bool = False
    of_key: bool = False


TIMED_OUT: Final = Outcome(Action.NEXT, Charge.FAILURE, "no answer in time")
CONNECT_TIMEOUT: Final = Outcome(Action.NEXT, Charge.FAILURE, "connection timed out", network=True)
BROKEN_ANSWER: Final = Outcome(Action.NEXT, Charge.FAILURE, "broken answer")
NO_WEBSOCKET: Final = Outcome(Action.NEXT, Charge.NEUTRAL, "no WebSocket")
EMPTY_ANSWER: Final = Outcome(Action.NEXT, Charge.FAILURE, "empty answer", status=200)
CUT: Final = Outcome(Action.RELAY, Charge.FAILURE, "answer broken off")

_TRANSIENT: Final = {
    408: "request timeout",
    500: "server error",
    502: "bad gateway",
    503: "unavailable",
    504: "gateway timeout",
    529: "overloaded",
}
_DENIED: Final = frozenset([401, 402, 403])
# What a 429's error says, by the key under which it says it: whole words, and parts of its message.
_AUTH_WORDS: Final = {
    "code": frozenset(["invalid_api_key", "account_deactivated"]),
    "type": frozenset(["authentication_error", "permission_error"]),
    "status": frozenset(["unauthenticated", "permission_denied"]),
}
_AUTH_PHRASES: Final = ("invalid api key",)
_QUOTA_WORDS: Final = {
    "code": frozenset(["insufficient_quota", "billing_hard_limit_reached", "organization_quota_exceeded"]),
    "type": frozenset(["insufficient_quota", "billing_error"]),
}
_QUOTA_PHRASES: Final = ("insufficient quota", "billing", "quota exhausted", "daily limit")
_LASTING_QUOTA: Final = ("perday", "per day", "per_day", "freetier", "free tier", "free_tier")


def network(reason: str) -> Outcome:
    """There was no connection, or it was lost before the head of an answer."""
    return Outcome(Action.NEXT, Charge.FAILURE, reason, network=True)


@cache  # a status has three digits
def relayed(status: int) -> Outcome:
    """An answer that is the client's, whatever it says."""
    return Outcome(Action.RELAY, Charge.SUCCESS, status=status)


def needs_body(status: int) -> bool:
    """Whether the body is read to find out what an answer means."""
    return status == 429 or status in _DENIED or status in _TRANSIENT


def classify(status: int, fields: Fields, body: bytes, now: float) -> Outcome:
    """What an answer means.

    Parameters:
        body: as much of it as was read, as it came.
        now: seconds since the epoch.
    """
    if not needs_body(status):
        return relayed(status)
    error = ErrorBody.read(fields, body)
    if status == 429:
        return _too_many(fields, error, now)
    if status in _DENIED:
        return _denied(status, fields, body, error)
    wait = explicit_wait(fields, error, now)
    if wait is not None and status in (503, 529):
        wait = min(wait, CHALLENGE_COOLDOWN)
    return Outcome(Action.NEXT, Charge.FAILURE, _TRANSIENT[status], status, wait)


def _denied(status: int, fields: Fields, body: bytes, error: ErrorBody) -> Outcome:
    """A 403 in HTML is an edge network's challenge page, which says nothing about the key.

    Whatever else a 403 is written in, plain text too, it is taken at its word, and so is every 401.
    """
    if status == 403 and body and not error.is_json and _is_html(fields, error.text):
        return Outcome(Action.NEXT, Charge.COOLDOWN, "challenge page", status, CHALLENGE_COOLDOWN)
    reason = "billing" if status == 402 else "auth"
    return Outcome(Action.NEXT, Charge.DEACTIVATE, reason, status, of_key=True)


def _is_html(fields: Fields, text: bytes) -> bool:
    kind = (field_value(fields, b"content-type") or b"").lower()
    return kind.startswith(b"text/html") or text.lstrip()[:16].lower().startswith((b"<!doctype html", b"<html"))


def _too_many(fields: Fields, error: ErrorBody, now: float) -> Outcome:
    """A 429 is a rate limit, unless its body says that it will not pass by waiting."""
    if _says(error, _AUTH_WORDS, _AUTH_PHRASES):
        return Outcome(Action.NEXT, Charge.DEACTIVATE, "auth", 429, of_key=True)
    if _says(error, _QUOTA_WORDS, _QUOTA_PHRASES) or any(map(_is_lasting_quota, error.details())):
        return Outcome(Action.NEXT, Charge.DEACTIVATE, "quota", 429, of_key=True)
    wait = rate_limit_wait(fields, error, now)
    return Outcome(Action.NEXT, Charge.COOLDOWN, RATE_LIMIT, 429, wait, of_key=True)


def _says(error: ErrorBody, words: Mapping[str, frozenset[str]], phrases: tuple[str, ...]) -> bool:
    message = error.word("message")
    return any(error.word(key) in known for key, known in words.items()) or any(each in message for each in phrases)


def _is_lasting_quota(detail: Mapping[str, Any]) -> bool:
    """Whether it is Google's QuotaFailure of a day's or the free tier's quota, or an ErrorInfo of an exhausted one."""
    reason = detail.get("reason")
    if isinstance(reason, str) and reason.lower() == "quota_exhausted":
        return True
    violations = detail.get("violations")
    if not is_a(detail, "google.rpc.QuotaFailure") or not isinstance(violations, list):
        return False
    texts = (text for each in violations[:32] if isinstance(each, dict) for text in each.values())
    return any(quota in text.lower() for text in texts if isinstance(text, str) for quota in _LASTING_QUOTA)
