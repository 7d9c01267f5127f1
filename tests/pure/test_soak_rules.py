"""What `make soak` calls broken: each rule, and that an undisturbed run breaks none."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from soak.clients import Got
from soak.providers import Provider
from soak.report import judge

SAMPLES: list[dict[str, float]] = [
    {"time": at, "memory in kB": 60000, "descriptors": 40, "timers": 9, "coroutines": 9, "threads": 2}
    for at in range(16)
]


def ran() -> tuple[Got, Provider]:
    """One request, finished by one provider and whole at its client."""
    provider = Provider("one", Random(1))
    provider.asked["r1"] += 1
    provider.finished.add("r1")
    return Got({"r1": "whole"}), provider


def test_a_run_in_which_all_went_well_breaks_no_rule() -> None:
    got, provider = ran()
    assert judge(got, [provider], SAMPLES) == []


@pytest.mark.parametrize(
    ("harm", "broken"),
    [
        (lambda got, provider: got.results.update(r1="cut"), "a provider finished its answer"),
        (lambda got, provider: got.results.update(r2="whole"), "no provider finished it"),
        (lambda got, provider: provider.asked.update(["r1"]), "answered 2 times by one"),
        (lambda got, provider: got.results.update(r2="empty"), "empty at the client"),
    ],
)
def test_what_is_broken_is_named(harm: Callable[[Got, Provider], None], broken: str) -> None:
    got, provider = ran()
    harm(got, provider)
    (said,) = judge(got, [provider], SAMPLES)
    assert broken in said


def test_a_request_that_was_sent_again_after_a_silent_close_breaks_no_rule() -> None:
    got, provider = ran()
    provider.asked["r1"] += 1
    provider.closed["r1"] += 1
    assert judge(got, [provider], SAMPLES) == []


def test_an_empty_answer_is_that_of_the_only_provider_that_was_asked() -> None:
    got, provider = ran()
    got.results["r2"] = "empty"
    provider.asked["r2"] += 1
    provider.empty.add("r2")
    other = Provider("two", Random(1))
    assert judge(got, [provider, other], SAMPLES) == []
    other.asked["r2"] += 1
    (said,) = judge(got, [provider, other], SAMPLES)
    assert "empty at the client" in said


@pytest.mark.parametrize("name", ["memory in kB", "descriptors", "timers", "coroutines", "threads"])
def test_what_grows_all_the_time_is_named(name: str) -> None:
    got, provider = ran()
    growing = [{**each, name: each[name] * (1 + at)} for at, each in enumerate(SAMPLES)]
    assert judge(got, [provider], growing) == [f"not flat: {name}"]
