"""Durations in Go's notation, and as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipal.config.duration import LONGEST_DURATION, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("30s", 30),
        ("5m", 300),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1h0m1s", 3601),
        ("1m1h", 3660),
        ("1.5s", 1.5),
        ("1.s", 1),
        (".5s", 0.5),
        ("250ms", 0.25),
        ("1us", 1e-6),
        ("1µs", 1e-6),
        ("1μs", 1e-6),
        ("1ns", 1e-9),
        ("87600h", LONGEST_DURATION),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("30", "needs a unit"),
        ("1.5", "needs a unit"),
        ("00", "needs a unit"),
        ("-1s", "not a duration"),
        ("+1s", "not a duration"),
        ("1d", "not a duration"),
        ("1S", "not a duration"),
        ("1 s", "not a duration"),
        ("1h 5m", "not a duration"),
        ("s", "not a duration"),
        (".s", "not a duration"),
        ("1h5", "not a duration"),
        ("1e3s", "not a duration"),
        ("\u0661s", "not a duration"),
        ("1s\n", "not a duration"),
        ("inf", "not a duration"),
        ("nan", "not a duration"),
        ("1:30", "not a duration"),
        ("9999999999999s", "not a duration"),
        ("87601h", "more than ten years"),
        ("87600h1s", "more than ten years"),
    ],
)
def test_anything_else_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_duration(text)


def test_a_refusal_does_not_repeat_the_text() -> None:
    with pytest.raises(ValueError, match="duration") as raised:
        parse_duration("sk-ant-secret")
    assert "sk-ant" not in str(raised.value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0001, "1ms"),
        (0.25, "250ms"),
        (1, "1s"),
        (36.6, "37s"),
        (60, "1m"),
        (150, "2m30s"),
        (3600, "1h"),
        (3601, "1h"),
        (5400, "1h30m"),
        (5459, "1h30m"),
        (86400, "1d"),
        (3 * 86400 + 7200 + 59, "3d2h"),
        (86400 + 59, "1d"),
    ],
)
def test_a_duration_is_shown_in_at_most_two_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(1, 86399))
def test_what_is_shown_is_read_as_nearly_the_same(seconds: int) -> None:
    assert 0 <= seconds - parse_duration(format_duration(seconds)) < 60
