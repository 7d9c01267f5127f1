"""What an answer, or its absence, means: relay it or ask the next provider, and what it says about the provider.

The table of the failover contract, as code. Reasons are our own words: what a provider wrote is never repeated, for
it may have echoed its key.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import frozen

from clipal.dialects.dialect import Fields, field_value
from clipal.routing.error_body import ErrorBody
from clipal.routing.hints import any_wait, explicit_wait

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
        network: whether there was no connection, which may be our own network's fault.
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
_AUTH_WORDS: Final = frozenset(
    ["invalid_api_key", "account_deactivated", "authentication_error", "permission_error", "unauthenticated",
     "permission_denied"]
)  # fmt: skip
_QUOTA_WORDS: Final = frozenset(
    ["insufficient_quota", "billing_hard_limit_reached", "organization_quota_exceeded", "billing_error"]
)
_AUTH_PHRASES: Final = ("invalid api key",)
_QUOTA_PHRASES: Final = ("insufficient quota", "billing", "quota exhausted", "daily limit")


def network(reason: str) -> Outcome:
    """There was no connection."""
    return Outcome(Action.NEXT, Charge.FAILURE, reason, network=True)


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
        return _denied(status, fields, error)
    wait = explicit_wait(fields, error, now)
    if wait is not None and status in (503, 529):
        wait = min(wait, CHALLENGE_COOLDOWN)
    return Outcome(Action.NEXT, Charge.FAILURE, _TRANSIENT[status], status, wait)


def _denied(status: int, fields: Fields, error: ErrorBody) -> Outcome:
    """A 403 in HTML is an edge network's challenge page, which says nothing about the key."""
    if status == 403 and not error.is_json and _is_html(fields, error.text):
        return Outcome(Action.NEXT, Charge.COOLDOWN, "challenge page", status, CHALLENGE_COOLDOWN)
    reason = "billing" if status == 402 else "auth"
    return Outcome(Action.NEXT, Charge.DEACTIVATE, reason, status, of_key=True)


def _is_html(fields: Fields, text: bytes) -> bool:
    kind = (field_value(fields, b"content-type") or b"").lower()
    return kind.startswith(b"text/html") or text.lstrip()[:16].lower().startswith((b"<!doctype html", b"<html"))


def _too_many(fields: Fields, error: ErrorBody, now: float) -> Outcome:
    """A 429 is a rate limit, unless its body says that it will not pass by waiting."""
    words = {error.word(key) for key in ("code", "type", "status")}
    message = error.word("message")
    if words & _AUTH_WORDS or any(phrase in message for phrase in _AUTH_PHRASES):
        return Outcome(Action.NEXT, Charge.DEACTIVATE, "auth", 429, of_key=True)
    if words & _QUOTA_WORDS or any(phrase in message for phrase in _QUOTA_PHRASES) or _is_daily_quota(error):
        return Outcome(Action.NEXT, Charge.DEACTIVATE, "quota", 429, of_key=True)
    wait = any_wait(fields, error, now, rate_limited=True)
    return Outcome(Action.NEXT, Charge.COOLDOWN, RATE_LIMIT, 429, wait, of_key=True)


def _is_daily_quota(error: ErrorBody) -> bool:
    """Google's QuotaFailure of a day's or the free tier's quota, or an ErrorInfo that says it is exhausted."""
    for detail in error.details():
        if detail.get("reason") == "QUOTA_EXHAUSTED":
            return True
        violations = detail.get("violations")
        if str(detail.get("@type", "")).endswith("google.rpc.QuotaFailure") and isinstance(violations, list):
            for violation in violations[:32]:
                said = "" if not isinstance(violation, dict) else " ".join(map(str, violation.values())).lower()
                if any(word in said for word in ("perday", "per day", "per_day", "freetier", "free tier", "free_tier")):
                    return True
    return False
