"""How long a provider wants to be left alone: each form in which vendors say it, and what makes no sense."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipal.dialects.dialect import FieldPairs
from clipal.outcomes.error_body import ErrorBody
from clipal.outcomes.retry_after import LONGEST_WAIT, explicit_wait, rate_limit_wait

NOW = datetime(2026, 10, 21, 7, 28, tzinfo=timezone.utc).timestamp()
NOTHING = ErrorBody.read([], b"")
UNIFIED = "anthropic-ratelimit-unified"


def fields_of(**named: str) -> FieldPairs:
    return [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in named.items()]


def retry_info(delay: object, kind: object = "type.googleapis.com/google.rpc.RetryInfo") -> ErrorBody:
    body = {"error": {"code": 429, "details": [{"@type": kind, "retryDelay": delay}]}}
    return ErrorBody.read([], json.dumps(body).encode())


def wait(*fields: tuple[str, str]) -> float | None:
    wire = [(name.encode(), value.encode("latin-1")) for name, value in fields]
    return rate_limit_wait(wire, NOTHING, NOW)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("37", 37),
        (" 37 ", 37),
        ("1.5", 1.5),
        ("3600", 3600),
        ("3601", LONGEST_WAIT),
        ("999999999999999", LONGEST_WAIT),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2026 07:28:30 -0000", 30),
        ("Wednesday, 21-Oct-26 07:28:30 GMT", 30),
        ("Wed Oct 21 07:28:30 2026", 30),
        ("21 Oct 2026 07:28:30 GMT", 30),
        ("²¹ Oct 2026 07:28:30 GMT", None),
        ("Wed, 21 Oct 2026 09:28:30 +0200", 30),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("Wed, 99 Oct 2026 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None),
        ("0", None),
        ("-5", None),
        ("1e9", None),
        ("inf", None),
        ("nan", None),
        ("0x10", None),
        ("9" * 400, None),
        ("soon", None),
        ("s\xfc\xdf", None),
        ("\xb2", None),
        ("", None),
    ],
)
def test_retry_after(value: str, expected: float | None) -> None:
    assert explicit_wait([(b"Retry-After", value.encode("latin-1"))], NOTHING, NOW) == expected
    assert wait(("RETRY-AFTER", value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1500", 1.5), ("20.5", 0.0205), ("9" * 15, LONGEST_WAIT), ("0", None), ("-1", None), ("1s", None)],
)
def test_retry_after_ms(value: str, expected: float | None) -> None:
    assert explicit_wait(fields_of(retry_after_ms=value), NOTHING, NOW) == expected


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        ("37s", 37),
        ("37.5s", 37.5),
        ("0.847655010s", 0.84765501),
        ("90000s", LONGEST_WAIT),
        ("0s", None),
        ("-3s", None),
        ("", None),
        ("s", None),
        ("37 s", None),
        ("9" * 30 + "s", None),
        ("1s" * 40, None),
        (37, None),
        (None, None),
        ({"seconds": 37}, None),
        (["37s"], None),
    ],
)
def test_googles_retry_info(delay: object, expected: float | None) -> None:
    assert explicit_wait([], retry_info(delay), NOW) == expected
    assert rate_limit_wait([], retry_info(delay), NOW) == expected


@pytest.mark.parametrize("kind", ["type.googleapis.com/google.rpc.Help", None, 3, ["google.rpc.RetryInfo"]])
def test_a_delay_of_another_detail_is_no_hint(kind: object) -> None:
    assert explicit_wait([], retry_info("37s", kind), NOW) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-10-21T07:28:30Z", 30),
        ("2026-10-21t07:28:30z", 30),
        ("2026-10-21T09:28:30+02:00", 30),
        ("2026-10-21T07:28:30", 30),
        (str(int(NOW) + 30), 30),
        ("2026-10-21T07:27:00Z", None),
        ("9999-12-31T23:59:59Z", LONGEST_WAIT),
        ("9999-12-31T23:59:59-23:59", LONGEST_WAIT),
        ("0001-01-01T00:00:00+23:59", None),
        ("0001-01-01T00:00:00", None),
        ("tomorrow", None),
        ("", None),
        ("-1", None),
        ("\xb2", None),
    ],
)
def test_anthropics_reset_is_a_moment(value: str, expected: float | None) -> None:
    window = "Anthropic-RateLimit-Input-Tokens"
    assert wait((f"{window}-Remaining", "0"), (f"{window}-Reset", value)) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ([("anthropic-ratelimit-requests-remaining", "0")], 30),
        ([("anthropic-ratelimit-requests-remaining", "12")], None),
        ([("anthropic-ratelimit-tokens-remaining", "0")], None),
        ([("anthropic-ratelimit-requests-status", "rejected")], 30),
        ([("anthropic-ratelimit-requests-status", "Exceeded")], 30),
        ([("anthropic-ratelimit-requests-status", "allowed")], None),
        ([("anthropic-ratelimit-requests-status", "allowed_warning")], None),
        ([], None),
    ],
)
def test_anthropics_reset_counts_only_of_a_window_that_is_exhausted(
    state: list[tuple[str, str]], expected: float | None
) -> None:
    reset = ("anthropic-ratelimit-requests-reset", "2026-10-21T07:28:30Z")
    assert wait(*state, reset) == expected
    assert explicit_wait([(name.encode(), value.encode()) for name, value in [*state, reset]], NOTHING, NOW) == expected


def test_a_subscription_waits_for_the_window_that_rejects_it_and_not_for_the_week() -> None:
    """As Anthropic answers Claude Code: three windows, of which one is spent."""
    answered = [
        (f"{UNIFIED}-status", "rejected"),
        (f"{UNIFIED}-reset", str(int(NOW) + 700)),
        (f"{UNIFIED}-5h-status", "rejected"),
        (f"{UNIFIED}-5h-reset", str(int(NOW) + 700)),
        (f"{UNIFIED}-7d-status", "allowed"),
        (f"{UNIFIED}-7d-reset", str(int(NOW) + 500_000)),
        (f"{UNIFIED}-representative-claim", "five_hour"),
    ]
    assert wait(*answered) == 700


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("20ms", 0.02),
        ("1s", 1),
        ("6m0s", 360),
        ("12", 12),
        ("1m26.4s", 86.4),
        ("1h0m0s", 3600),
        ("2d", LONGEST_WAIT),
        ("0s", None),
        ("1x", None),
        ("1s, 2s", None),
        ("-1s", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("kind", ["requests", "tokens"])
def test_openais_reset_is_a_duration(kind: str, value: str, expected: float | None) -> None:
    found = wait((f"x-ratelimit-reset-{kind}", value))
    assert found == (None if expected is None else pytest.approx(expected))


def test_openais_reset_counts_only_on_a_429_of_what_has_nothing_remaining() -> None:
    reset = [("x-ratelimit-reset-requests", "12ms"), ("x-ratelimit-reset-tokens", "6m0s")]
    assert wait(*reset) == 360
    assert wait(*reset, ("x-ratelimit-remaining-tokens", "149984")) == 0.012
    assert wait(*reset, ("x-ratelimit-remaining-tokens", "0")) == 360
    assert explicit_wait([(name.encode(), value.encode()) for name, value in reset], NOTHING, NOW) is None


def test_the_longest_wins() -> None:
    """Whichever of them it is."""
    fields = {"retry-after": "10", "retry-after-ms": "20000", "x-ratelimit-reset-requests": "30s"}
    assert rate_limit_wait(list(wire(fields)), retry_info("40s"), NOW) == 40
    assert rate_limit_wait(list(wire(fields)), retry_info("5s"), NOW) == 30
    assert explicit_wait(list(wire(fields)), retry_info("5s"), NOW) == 20
    assert explicit_wait(list(wire({**fields, "retry-after": "21"})), NOTHING, NOW) == 21


def wire(fields: dict[str, str]) -> FieldPairs:
    return [(name.encode(), value.encode()) for name, value in fields.items()]


DATE_LIKE = st.from_regex(
    r"(?:[A-Za-z]{1,4},? )?[0-9]{1,12}[ -][A-Za-z]{3}[ -][0-9]{1,20} [0-9:.]{0,12} ?[A-Z+-]{0,4}[0-9]{0,20}"
)
TIME_LIKE = st.from_regex(r"[0-9]{1,5}-[0-9W]{1,3}-?[0-9]{0,2}T?[0-9:.]{0,16}[Zz+-]?[0-9:]{0,9}")


@given(st.one_of(DATE_LIKE, TIME_LIKE, st.text(), st.from_regex(r"[0-9.]{1,20}(?:ms|[smhd])?")))
def test_whatever_is_said_a_wait_is_none_or_within_an_hour(text: str) -> None:
    value = text.encode("utf-8", "replace")
    names = ("retry-after", "retry-after-ms", f"{UNIFIED}-reset", "x-ratelimit-reset-tokens")
    fields = [(f"{UNIFIED}-remaining".encode(), b"0"), *((name.encode(), value) for name in names)]
    found = rate_limit_wait(fields, retry_info(text), NOW)
    assert found is None or 0 < found <= LONGEST_WAIT


@pytest.mark.parametrize("message", ["Please try again in 0s", "Please try again in 0ms"])
def test_no_time_in_words_is_no_hint(message: str) -> None:
    error = ErrorBody.of({"error": {"message": message}})
    assert explicit_wait([], error, 0.0) is None
    assert rate_limit_wait([], error, 0.0) is None
