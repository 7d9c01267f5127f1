"""What an answer means: the table of docs/routing.md as code. `clipal.outcomes.facts` has the words of errors."""

from __future__ import annotations

import re
from typing import Final

from attrs import evolve, frozen

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
_PAGES: Final = (b"<!doctype html", b"<html")
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


@frozen
class _Said:
    """What an answer that is no success says.

    Attributes:
        facts: those of its words and details.
        now: seconds since the epoch.
    """

    status: int
    fields: FieldPairs
    error: ErrorBody
    facts: frozenset[Fact]
    now: float

    @property
    def says_more(self) -> bool:
        """Whether a word says more than the status. Where one does, no phrase of the message counts."""
        return not self.facts <= {Fact.STATUS, Fact.FAILURE}

    @property
    def account(self) -> Fact | None:
        """What the error says about the key or the account: KEY, QUOTA, or nothing."""
        for fact in (Fact.KEY, Fact.QUOTA):
            if fact in self.facts or (not self.says_more and begins_with(self.error.message, fact)):
                return fact
        return None

    @property
    def lacks_model(self) -> bool:
        """Whether this provider lacks the model."""
        if self.says_more:
            return Fact.MODEL in self.facts
        message = self.error.message
        return begins_with(message, Fact.MODEL) or (self.status == 404 and ABSENT.match(message) is not None)

    @property
    def refuses_request(self) -> bool:
        """Whether the request is refused for what is in it."""
        return Fact.REQUEST in self.facts or begins_with(self.error.message, Fact.REQUEST)

    @property
    def is_html(self) -> bool:
        """Whether the body is a page."""
        kind = (field_value(self.fields, b"content-type") or b"").lower()
        beginning = self.error.text[:256].lstrip()[:16].lower()
        return (kind.startswith(b"text/html") and self.error.sent) or beginning.startswith(_PAGES)

    @property
    def is_of_an_edge(self) -> bool:
        """Whether an edge network answered, and not the provider behind it."""
        error = self.error
        if error.is_json:
            documents = (error.document, error.error)
            codes = (str(each.get("error_code"))[:8] for each in documents)
            return any(each.get("cloudflare_error") for each in documents) or any(map(_EDGE_CODE.fullmatch, codes))
        return _EDGE_TEXT.match(error.text) is not None or self.is_html


def _judge(status: int, fields: FieldPairs, error: ErrorBody, now: float) -> Outcome:
    said = _Said(status, fields, error, error.facts(), now)
    if status in _LIMITED:
        return _too_many(said)
    if status in _DENIED:
        return _denied(said)
    if _failed(status):
        return _failure(said)
    return _refused(said)


def _failed(status: int) -> bool:
    return 500 <= status <= 599 or status in _FAILURES


def _failure(said: _Said) -> Outcome:
    reason = _FAILURES.get(said.status, "server error")
    return Outcome(Action.NEXT, Charge.FAILURE, reason, said.status, _short_wait(said))


def _short_wait(said: _Said) -> float | None:
    """The wait that the answer names, or a minute of it; None where it names none."""
    wait = explicit_wait(said.fields, said.error, said.now)
    return None if wait is None else min(wait, LONGEST_OF_FAILURE)


def _too_many(said: _Said) -> Outcome:
    """A 429 is a rate limit, unless its body says that waiting does not help."""
    account = said.account
    if account is not None:
        return _deactivated(said, "auth" if account is Fact.KEY else "quota")
    wait = rate_limit_wait(said.fields, said.error, said.now)
    return Outcome(Action.NEXT, Charge.COOLDOWN, RATE_LIMIT, said.status, wait, of_key=True)


def _denied(said: _Said) -> Outcome:
    """A 401, 402 or 403 is about the key, plain text too; but an edge network's 403 says nothing about the key."""
    if said.status == 403 and said.is_of_an_edge:
        reason = "challenge page" if said.is_html else "refused by an edge network"
        return Outcome(Action.NEXT, Charge.COOLDOWN, reason, said.status, _short_wait(said) or LONGEST_OF_FAILURE)
    account = said.account
    if said.status == 402 or account is Fact.QUOTA:
        return _deactivated(said, "billing")
    if account is None and said.lacks_model:
        return _lack(said, "model not available")
    if account is None and said.status == 403 and said.refuses_request:
        return _lack(said, "request refused")
    if account is None and said.status == 403 and Fact.RATE_LIMIT in said.facts:
        return _too_many(said)
    return _deactivated(said, "auth")


def _refused(said: _Said) -> Outcome:
    """The client's own mistake, unless the error concerns the account, or something that only this provider lacks."""
    status, facts = said.status, said.facts
    if Fact.REQUEST in facts:
        return relayed(status)
    if status == 413:
        return _too_large(said)
    if status in _OF_ACCOUNT and said.account is Fact.KEY:
        return _deactivated(said, "auth")
    if Fact.QUOTA in facts or (status in _OF_ACCOUNT and said.account is Fact.QUOTA):
        return _deactivated(said, "billing")
    if Fact.RATE_LIMIT in facts:
        return _too_many(said)
    if said.lacks_model:
        return _lack(said, "model not available")
    if status == 424 and Fact.FAILURE in facts:  # Amazon's status for a model that failed
        return _failure(said)
    if status in _OF_PATH and not said.error.has_api_shape:
        return _lack(said, "path not available")
    return relayed(status)


def _too_large(said: _Said) -> Outcome:
    if not said.error.has_api_shape:
        return _lack(said, "a limit of its web server")
    if said.facts & {Fact.RATE_LIMIT, Fact.QUOTA}:
        return _lack(said, "a limit of its own")
    return relayed(said.status)


def _deactivated(said: _Said, reason: str) -> Outcome:
    return Outcome(Action.NEXT, Charge.DEACTIVATE, reason, said.status, of_key=True)


def _lack(said: _Said, what: str) -> Outcome:
    return Outcome(Action.NEXT, Charge.NEUTRAL, what, said.status, fallback=True)
