"""What an answer means: a table row by row, the bodies of a 429, and bodies that mean harm."""

from __future__ import annotations

import gzip
import json
import zlib

import brotli
import pytest
import zstandard

from clipal.dialects.dialect import FieldPairs
from clipal.outcomes.classification import LONGEST_OF_FAILURE, classify, needs_body
from clipal.outcomes.error_body import ErrorBody
from clipal.outcomes.outcome import (
    BROKEN_ANSWER,
    CONNECT_TIMEOUT,
    CUT,
    EMPTY_ANSWER,
    RATE_LIMIT,
    TIMED_OUT,
    Action,
    Charge,
    Outcome,
    network,
    relayed,
)

NOW = 1_790_000_000.0
JSON = [(b"Content-Type", b"application/json")]
HTML = [(b"content-type", b"text/html; charset=UTF-8")]
AUTH = Outcome(Action.NEXT, Charge.DEACTIVATE, "auth", 429, of_key=True)
QUOTA = Outcome(Action.NEXT, Charge.DEACTIVATE, "quota", 429, of_key=True)
LIMITED = Outcome(Action.NEXT, Charge.COOLDOWN, RATE_LIMIT, 429, of_key=True)
QUOTA_BODY = b'{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}'


def too_many(body: object) -> Outcome:
    return classify(429, JSON, json.dumps(body).encode(), NOW)


def google(*details: object, message: str = "Resource has been exhausted") -> object:
    error = {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": list(details)}
    return {"error": error}


def quota_failure(*violations: object) -> dict[str, object]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": list(violations)}


@pytest.mark.parametrize("status", [200, 204, 206, 301, 304, 600, 999])
def test_anything_else_is_the_clients(status: int) -> None:
    """Even where the body says the words of a failure: only the status of an error has it read."""
    assert not needs_body(status)
    assert classify(status, [*JSON, (b"Retry-After", b"7")], QUOTA_BODY, NOW) == relayed(status)
    assert relayed(status) == Outcome(Action.RELAY, Charge.SUCCESS, "", status)


@pytest.mark.parametrize(
    ("status", "fields", "body", "charge", "reason", "wait"),
    [
        (401, JSON, b'{"error":{"type":"authentication_error"}}', Charge.DEACTIVATE, "auth", None),
        (401, [], b"", Charge.DEACTIVATE, "auth", None),
        (401, HTML, b"<html>who are you?</html>", Charge.DEACTIVATE, "auth", None),
        (401, [(b"Retry-After", b"5")], b"", Charge.DEACTIVATE, "auth", None),
        (402, JSON, b'{"error":{"type":"billing_error"}}', Charge.DEACTIVATE, "billing", None),
        (402, HTML, b"<html>pay</html>", Charge.DEACTIVATE, "billing", None),
        (403, JSON, b'{"error":{"status":"PERMISSION_DENIED"}}', Charge.DEACTIVATE, "auth", None),
        (403, [], b"", Charge.DEACTIVATE, "auth", None),
        (403, HTML, b'{"error":"JSON after all"}', Charge.DEACTIVATE, "auth", None),
        (403, HTML, b"", Charge.DEACTIVATE, "auth", None),
        (403, [(b"content-type", b"text/plain")], b"Forbidden", Charge.DEACTIVATE, "auth", None),
        (403, [*HTML, (b"content-encoding", b"?")], b"?", Charge.COOLDOWN, "challenge page", LONGEST_OF_FAILURE),
        (403, HTML, b"Just a moment...", Charge.COOLDOWN, "challenge page", LONGEST_OF_FAILURE),
        (403, [], b"\r\n <!DOCTYPE html><html>", Charge.COOLDOWN, "challenge page", LONGEST_OF_FAILURE),
        (403, [], b"<HTML><head>", Charge.COOLDOWN, "challenge page", LONGEST_OF_FAILURE),
    ],
)
def test_a_refusal_rests_the_key_and_a_challenge_page_the_provider(
    status: int, fields: FieldPairs, body: bytes, charge: Charge, reason: str, wait: float | None
) -> None:
    of_key = charge is Charge.DEACTIVATE
    assert classify(status, fields, body, NOW) == Outcome(Action.NEXT, charge, reason, status, wait, of_key=of_key)


@pytest.mark.parametrize("status", [408, 499, *range(500, 600)])
def test_a_failure_is_charged_and_rests_for_a_minute_at_most(status: int) -> None:
    def wait(fields: FieldPairs, body: bytes = b"") -> float | None:
        outcome = classify(status, fields, body, NOW)
        assert (outcome.action, outcome.charge, outcome.status) == (Action.NEXT, Charge.FAILURE, status)
        assert outcome.reason
        assert not any((outcome.of_key, outcome.network, outcome.fallback))
        return outcome.wait

    assert wait(JSON, QUOTA_BODY) is None
    assert wait(HTML, b"<html>an edge network's page</html>") is None
    assert wait([(b"retry-after", b"37")]) == 37
    assert wait([(b"retry-after", b"86400")]) == 60
    windows = [(b"anthropic-ratelimit-tokens-remaining", b"0"), (b"anthropic-ratelimit-tokens-reset", b"1790000030")]
    assert wait(windows) == 30
    assert wait([(b"x-ratelimit-reset-requests", b"9s")]) is None


@pytest.mark.parametrize(
    ("outcome", "action", "charge", "of_network"),
    [
        (network("connection refused"), Action.NEXT, Charge.FAILURE, True),
        (CONNECT_TIMEOUT, Action.NEXT, Charge.FAILURE, True),
        (TIMED_OUT, Action.NEXT, Charge.FAILURE, False),
        (BROKEN_ANSWER, Action.NEXT, Charge.FAILURE, False),
        (EMPTY_ANSWER, Action.NEXT, Charge.FAILURE, False),
        (CUT, Action.RELAY, Charge.FAILURE, False),
    ],
)
def test_no_answer_is_a_failure_and_only_no_connection_may_be_our_own_networks(
    outcome: Outcome, action: Action, charge: Charge, of_network: bool
) -> None:
    assert (outcome.action, outcome.charge, outcome.network) == (action, charge, of_network)
    assert outcome.reason
    assert not outcome.of_key


@pytest.mark.parametrize(
    "error",
    [
        {"code": "invalid_api_key"},
        {"code": "Account_Deactivated"},
        {"type": "authentication_error"},
        {"type": "PERMISSION_ERROR", "code": None},
        {"message": "Invalid API Key provided: it is not shown"},
        {"code": 429, "status": "UNAUTHENTICATED"},
        {"status": "PERMISSION_DENIED"},
        {"type": "authentication_error", "code": "insufficient_quota"},
    ],
)
def test_a_429_that_means_the_key(error: dict[str, object]) -> None:
    assert too_many({"error": error}) == too_many(error) == AUTH


@pytest.mark.parametrize(
    "error",
    [
        {"code": "insufficient_quota"},
        {"code": "billing_hard_limit_reached"},
        {"code": "organization_quota_exceeded"},
        {"type": "insufficient_quota", "code": None},
        {"type": "Billing_Error"},
        {"message": "Insufficient quota."},
        {"message": "Quota exhausted"},
        {"message": "Daily limit reached"},
        {"details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "QUOTA_EXHAUSTED"}]},
        {"details": [{"reason": "quota_exhausted"}]},
        {"details": ["", None, quota_failure("", {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"})]},
    ],
)
def test_a_429_that_does_not_pass_by_waiting(error: dict[str, object]) -> None:
    assert too_many({"error": error}) == too_many(error) == QUOTA


@pytest.mark.parametrize(
    "body",
    [
        {"type": "error", "error": {"type": "rate_limit_error", "message": "Number of request tokens"}},
        {"error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Rate limit reached"}},
        google(),
        google({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}),
        google(quota_failure({"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"})),
        google(quota_failure(), {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": "PerDay"}),
        google({"@type": "type.googleapis.com/google.rpc.Help", "violations": [{"quotaId": "PerDay"}]}),
        google(*[{}] * 32, quota_failure({"quotaId": "PerDay"})),
        google(quota_failure(*[{}] * 32, {"quotaId": "PerDay"})),
        {"error": {"code": ["insufficient_quota"], "type": {"insufficient_quota": 1}, "message": 17}},
        {"error": {"message": "Check your plan and BILLING details"}},
        {"error": {"message": "You have hit your daily limit"}},
        google(quota_failure({"quotaId": "GenerateContentInputTokensPerModelPerMinute-FreeTier"})),
        google(quota_failure({"description": "Requests per day"})),
        google(quota_failure({"quotaMetric": "generate_content_free_tier_requests"})),
        {"error": {"details": {"reason": "QUOTA_EXHAUSTED"}}},
        {"error": {"details": [{"@type": 7, "reason": ["QUOTA_EXHAUSTED"]}]}},
        {"error": None},
        {"error": 3},
        [],
        [[]],
        ["insufficient_quota"],
        "insufficient_quota",
        429,
        None,
        True,
        {},
    ],
)
def test_any_other_429_is_a_rate_limit(body: object) -> None:
    assert too_many(body) == LIMITED


def test_googles_stream_answers_an_error_in_a_list() -> None:
    assert too_many([google(message="Quota exhausted")]) == QUOTA


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": "Insufficient quota"}, QUOTA),
        ({"error": "Too Many Requests", "code": "insufficient_quota"}, QUOTA),
        ({"error": "Too Many Requests", "message": "Invalid API key"}, AUTH),
        ({"error": None, "type": "billing_error"}, QUOTA),
        ({"error": True, "message": "slow down"}, LIMITED),
    ],
)
def test_an_error_that_is_no_object_stands_beside_the_keys_at_the_root(body: object, expected: Outcome) -> None:
    assert too_many(body) == expected


def test_a_rate_limit_waits_as_long_as_the_longest_hint_says() -> None:
    fields = [
        (b"Retry-After", b"12"),
        (b"x-ratelimit-remaining-requests", b"0"),
        (b"x-ratelimit-reset-requests", b"20ms"),
        (b"anthropic-ratelimit-tokens-remaining", b"0"),
        (b"anthropic-ratelimit-tokens-reset", b"1790000030"),
    ]
    assert classify(429, fields, b"", NOW).wait == 30
    assert classify(429, fields[:3], b"", NOW).wait == 12
    assert classify(429, fields[1:3], b"", NOW).wait == 0.02


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", gzip.compress(QUOTA_BODY)),
        (b"x-gzip", gzip.compress(QUOTA_BODY)),
        (b"deflate", zlib.compress(QUOTA_BODY)),
        (b"deflate", zlib.compress(QUOTA_BODY)[2:-4]),
        (b"br", brotli.compress(QUOTA_BODY)),
        (b"zstd", zstandard.compress(QUOTA_BODY)),
        (b"identity", QUOTA_BODY),
    ],
)
def test_an_encoded_body_is_read(coding: bytes, body: bytes) -> None:
    assert classify(429, [(b"Content-Encoding", coding)], body, NOW) == QUOTA


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ([], b"insufficient_quota"),
        ([], QUOTA_BODY[:-2]),
        ([], b"[" * 30_000),
        ([], b"[" * 30_000 + b"]" * 30_000),
        ([], b'{"error":' * 7_000 + b"1" + b"}" * 7_000),
        ([], b'{"error":{"code":"\xff\xfe"}}'),
        ([], b"\xff\xfe{\x00"),
        ([], b"\x00" * 4096),
        ([], b'{"error":{"code":' + b"9" * 30_000 + b"}}"),
        ([], b'{"error":{"code":NaN,"message":-Infinity}}'),
        ([], b'{"error":{"code":"\\ud800"}}'),
        ([(b"content-encoding", b"gzip")], QUOTA_BODY),
        ([(b"content-encoding", b"rot13")], QUOTA_BODY),
        ([(b"content-encoding", b"gzip")], gzip.compress(b" " * 10_000_000 + QUOTA_BODY)),
    ],
)
def test_a_hostile_body_is_a_rate_limit_and_nothing_worse(fields: FieldPairs, body: bytes) -> None:
    assert classify(429, fields, body, NOW) == LIMITED


@pytest.mark.parametrize("depth", [*range(850, 1010, 3), 9_000])
def test_nesting_that_can_just_be_parsed_does_no_harm(depth: int) -> None:
    """What JSON's parser takes may still be too deep for whoever looks at it."""
    deep = b"[" * depth + b"]" * depth
    violation = b'{"@type":"google.rpc.QuotaFailure","violations":[{"quotaId":' + deep + b"}]}"
    body = b'{"error":{"code":' + deep + b',"details":[' + violation + b"]}}"
    assert classify(429, [], body, NOW) == LIMITED


def test_nothing_that_a_provider_wrote_is_repeated() -> None:
    body = json.dumps({"error": {"code": "invalid_api_key", "message": "Incorrect: sk-secret"}}).encode()
    for status in (401, 402, 403, 429, 500, 529):
        assert "sk-secret" not in repr(classify(status, JSON, body, NOW))


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'"forbidden"'])
def test_json_is_no_page_whatever_its_type_says(body: bytes) -> None:
    assert classify(403, [(b"Content-Type", b"text/html")], body, 0.0).charge is Charge.DEACTIVATE


def test_nothing_that_a_body_says_shows_in_a_repr() -> None:
    body = b'{"error":{"message":"bad key sk-secret","code":"sk-secret"}}'
    read = ErrorBody.read([*JSON, (b"x-amzn-errortype", b"sk-secret")], body)
    assert read.error["message"] == "bad key sk-secret"
    assert "sk-secret" not in repr(read)
