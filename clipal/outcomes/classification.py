"""What an answer means: the table of docs/routing.md as code. `clipal.outcomes.facts` has the words of errors."""

from __future__ import annotations

import re
from typing import Final

from attrs import evolve

from clipal.dialects.dialect import FieldPairs, field_value
from clipal.outcomes.error_body import ErrorBody
from clipal.outcomes.facts import Fact
from clipal.outcomes.outcome import RATE_LIMIT, Action, Charge, Outcome, relayed
from clipal.outcomes.phrases import ABSENT, begins_with
from clipal.outcomes.retry_after import explicit_wait, rate_limit_wait

LONGEST_OF_FAILURE: Final = 60.0
"""Seconds of cooldown at most after a failure, or after an edge network refused."""

_FAILURES: Final = {
    408: "request timeout",
    499: "request cancelled",
    501: "not implemented",
    502: "bad gateway",
    503: "unavailable",
    504: "gateway timeout",
    520: "bad answer behind the edge network",
    521: "down behind the edge network",
    522: "connection timed out behind the edge network",
    523: "unreachable behind the edge network",
    524: "no answer in time behind the edge network",
    525: "TLS failure behind the edge network",
    526: "TLS failure behind the edge network",
    529: "overloaded",
    530: "unreachable behind the edge network",
}
_DENIED: Final = frozenset([401, 402, 403])
_LIMITED: Final = frozenset([429, 498])
"""Groq answers 498 when a tier is full, Cohere for an invalid token."""
_OF_ACCOUNT: Final = frozenset([400, 412])
"""Statuses under which a phrase may concern the account. Fireworks answers 412 when an account is suspended."""
_OF_PATH: Final = frozenset([404, 405])
_EDGE_TEXT: Final = re.compile(rb"\s{0,16}error code: {0,4}1[0-9]{3}\b", re.IGNORECASE)
_EDGE_CODE: Final = re.compile("1[0-9]{3}")
_ANSWERS: Final = ("choices", "content", "candidates", "output", "data")
"""Keys of which an answer has at least one, with a value that is not empty."""


def needs_body(status: int, method: bytes = b"POST") -> bool:
    """Whether the body must be read before an answer to `method` can be classified."""
    if _failed(status) or status in _DENIED or status in _LIMITED:
        return True
    return 400 <= status <= 499 and method != b"HEAD"


def classify(status: int, fields: FieldPairs, body: bytes, now: float) -> Outcome:
    """The outcome of an answer.

    Parameters:
        body: as much of the body as was read, with its content coding.
        now: seconds since the epoch.
    """
    if not needs_body(status):
        return relayed(status)
    return _judge(status, fields, ErrorBody.read(fields, body), now)


def error_in(document: object) -> ErrorBody | None:
    """The error in a JSON document that came under a 200; None where the document is an answer.

    An error is `{"error": {…}}`, `{"type": "error", …}`, a list of one, `base_resp`,
    or `{"success": false, "code": 401}`.
    """
    first = document[0] if isinstance(document, list) and document else document
    if not isinstance(first, dict) or any(first.get(key) for key in _ANSWERS):
        return None
    body = ErrorBody.of(first)
    base = first.get("base_resp")
    failed = first.get("success") is False and (body.names_status or bool(first.get("errors")))
    if first.get("error") or "error" in (first.get("type"), first.get("object")) or failed:
        return body
    return body if isinstance(base, dict) and base.get("status_code") else None


def classify_error(error: ErrorBody, fields: FieldPairs, now: float) -> Outcome:
    """The outcome of an error that came under a 200: that of the status that it stands for.

    An error that is relayed is no success: the provider is not preferred for it, and no trial succeeds with it.
    """
    status = error.status()
    outcome = _judge(status, fields, error, now) if needs_body(status) else relayed(status)
    return evolve(outcome, charge=Charge.NEUTRAL) if outcome.charge is Charge.SUCCESS else outcome


def _judge(status: int, fields: FieldPairs, error: ErrorBody, now: float) -> Outcome:
    if status in _LIMITED:
        return _too_many(status, fields, error, now)
    if status in _DENIED:
        return _denied(status, fields, error, now)
    if not _failed(status):
        return _refused(status, fields, error, now)
    return _failure(status, fields, error, now)


def _failure(status: int, fields: FieldPairs, error: ErrorBody, now: float) -> Outcome:
    wait = _at_most_a_minute(explicit_wait(fields, error, now))
    return Outcome(Action.NEXT, Charge.FAILURE, _FAILURES.get(status, "server error"), status, wait)


def _failed(status: int) -> bool:
    return 500 <= status <= 599 or status in _FAILURES


def _at_most_a_minute(wait: float | None) -> float | None:
    return None if wait is None else min(wait, LONGEST_OF_FAILURE)


def _account(error: ErrorBody) -> Fact | None:
    """What an error says about the key or the account. A phrase counts only where no word says something else."""
    facts = error.facts()
    for fact in (Fact.KEY, Fact.QUOTA):
        if fact in facts:
            return fact
    if not facts <= {Fact.STATUS, Fact.FAILURE}:
        return None
    return next((fact for fact in (Fact.KEY, Fact.QUOTA) if begins_with(error.message, fact)), None)


def _deactivated(status: int, reason: str) -> Outcome:
    return Outcome(Action.NEXT, Charge.DEACTIVATE, reason, status, of_key=True)


# 401, 402, 403


def _denied(status: int, fields: FieldPairs, error: ErrorBody, now: float) -> Outcome:
    """A 403 of an edge network says nothing about the key; any other 403 is about the key, plain text too."""
    if status == 403 and _is_of_an_edge(fields, error):
        wait = _at_most_a_minute(explicit_wait(fields, error, now)) or LONGEST_OF_FAILURE
        reason = "challenge page" if _is_html(fields, error) else "refused by an edge network"
        return Outcome(Action.NEXT, Charge.COOLDOWN, reason, status, wait)
    account = _account(error)
    if status != 402 and account is None and (milder := _of_one_request(status, fields, error, now)) is not None:
        return milder
    return _deactivated(status, "billing" if status == 402 or account is Fact.QUOTA else "auth")


def _of_one_request(status: int, fields: FieldPairs, error: ErrorBody, now: float) -> Outcome | None:
    """The outcome of a 401 or 403 if its facts say that the key is not at fault, else None."""
    if _lacks_model(status, error):
        return _lack(status, "model not available")
    facts = error.facts()
    if status != 403:
        return None
    if Fact.REQUEST in facts or begins_with(error.message, Fact.REQUEST):
        return _lack(status, "request refused")
    return _too_many(status, fields, error, now) if Fact.RATE_LIMIT in facts else None


def _is_of_an_edge(fields: FieldPairs, error: ErrorBody) -> bool:
    if error.is_json:
        documents = (error.document, error.error)
        codes = (str(each.get("error_code"))[:8] for each in documents)
        return any(each.get("cloudflare_error") for each in documents) or any(map(_EDGE_CODE.fullmatch, codes))
    return _EDGE_TEXT.match(error.text) is not None or _is_html(fields, error)


def _is_html(fields: FieldPairs, error: ErrorBody) -> bool:
    kind = (field_value(fields, b"content-type") or b"").lower()
    beginning = error.text[:256].lstrip()[:16].lower()
    return (kind.startswith(b"text/html") and error.sent) or beginning.startswith((b"<!doctype html", b"<html"))


# 429


def _too_many(status: int, fields: FieldPairs, error: ErrorBody, now: float) -> Outcome:
    """A 429 is a rate limit, unless its body says that waiting does not help."""
    account = _account(error)
    if account is not None:
        return _deactivated(status, "auth" if account is Fact.KEY else "quota")
    wait = rate_limit_wait(fields, error, now)
    return Outcome(Action.NEXT, Charge.COOLDOWN, RATE_LIMIT, status, wait, of_key=True)


# Every other 4xx


def _refused(status: int, fields: FieldPairs, error: ErrorBody, now: float) -> Outcome:
    """The client's own mistake, unless the error concerns the account, or something that only this provider lacks."""
    facts = error.facts()
    if Fact.REQUEST in facts:
        return relayed(status)
    if status == 413:
        limited = bool(facts & {Fact.RATE_LIMIT, Fact.QUOTA})
        lacks = "a limit of its web server" if not error.has_api_shape else "a limit of its own" if limited else ""
        return _lack(status, lacks) if lacks else relayed(status)
    account = _account(error) if status in _OF_ACCOUNT else Fact.QUOTA if Fact.QUOTA in facts else None
    if account is not None:
        return _deactivated(status, "auth" if account is Fact.KEY else "billing")
    if Fact.RATE_LIMIT in facts:
        return _too_many(status, fields, error, now)
    if _lacks_model(status, error):
        return _lack(status, "model not available")
    if status == 424 and Fact.FAILURE in facts:  # Amazon's status for a model that failed
        return _failure(status, fields, error, now)
    lacks_path = status in _OF_PATH and not error.has_api_shape
    return _lack(status, "path not available") if lacks_path else relayed(status)


def _lack(status: int, what: str) -> Outcome:
    return Outcome(Action.NEXT, Charge.NEUTRAL, what, status, fallback=True)


def _lacks_model(status: int, error: ErrorBody) -> bool:
    facts = error.facts()
    if Fact.MODEL in facts:
        return True
    if not facts <= {Fact.STATUS, Fact.FAILURE}:
        return False
    message = error.message
    return begins_with(message, Fact.MODEL) or (status == 404 and ABSENT.match(message) is not None)
