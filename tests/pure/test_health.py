"""The health of one provider: each transition, what is old news, and what is never shortened."""

from __future__ import annotations

import pytest

from clipal.providers.health import LEASE, Health
from clipal.providers.health_state import LONGEST_COOLDOWN, HealthChange, HealthPolicy, HealthState

POLICY = HealthPolicy(failure_threshold=3, open_timeout=60.0, reactivate_after=600.0)


def closed(policy: HealthPolicy = POLICY) -> Health:
    return Health(policy)


def resting(seconds: float, policy: HealthPolicy = POLICY) -> Health:
    """One that rests from 0 on."""
    health = Health(policy)
    assert health.cool_down(health.begin(0.0), 0.0, seconds, "rate limit") is not None
    return health


def fail(health: Health, now: float, times: int = 1) -> list[HealthChange | None]:
    return [health.failed(health.begin(now), now, "server error") for _ in range(times)]


def facts(health: Health, now: float) -> tuple[object, ...]:
    return (health.state(now), health.until, health.reason, health.remaining(now), health.opened_by_breaker(now))


def test_a_health_begins_closed() -> None:
    health = closed()
    assert facts(health, 5.0) == (HealthState.CLOSED, None, "", 0.0, False)
    assert health.usable(5.0)
    assert not health.begin(5.0).trial
    assert health.tick(5.0) is None


# Opening


def test_a_cooldown_opens_it_until_its_time_is_over() -> None:
    health = closed()
    assert health.cool_down(health.begin(10.0), 10.0, 37.0, "rate limit") == HealthChange(
        HealthState.OPEN, "rate limit", 37.0
    )
    assert facts(health, 10.0) == (HealthState.OPEN, 47.0, "rate limit", 37.0, False)
    assert not health.usable(46.9)
    assert health.remaining(46.0) == 1.0
    assert health.state(47.0) is HealthState.HALF_OPEN
    assert health.usable(47.0)
    assert health.remaining(50.0) == 0.0


def test_a_cooldown_is_an_hour_at_most() -> None:
    assert resting(1e10).remaining(0.0) == LONGEST_COOLDOWN


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_a_cooldown_of_no_time_opens_nothing(seconds: float) -> None:
    health = closed()
    assert health.cool_down(health.begin(0.0), 0.0, seconds, "rate limit") is None
    assert health.state(0.0) is HealthState.CLOSED


def test_a_deactivation_opens_it_for_reactivate_after() -> None:
    health = closed()
    assert health.deactivate(health.begin(0.0), 0.0, "auth") == HealthChange(HealthState.OPEN, "auth", 600.0)
    assert facts(health, 0.0) == (HealthState.OPEN, 600.0, "auth", 600.0, False)


def test_reactivate_after_0_switches_off_deactivation_but_no_cooldown() -> None:
    health = closed(HealthPolicy(reactivate_after=0.0))
    assert health.deactivate(health.begin(0.0), 0.0, "auth") is None
    assert health.state(0.0) is HealthState.CLOSED
    assert health.cool_down(health.begin(0.0), 0.0, 37.0, "rate limit") == HealthChange(
        HealthState.OPEN, "rate limit", 37.0
    )


def test_failures_in_a_row_open_it() -> None:
    health = closed()
    assert fail(health, 0.0, 3) == [None, None, HealthChange(HealthState.OPEN, "server error", 60.0)]
    assert facts(health, 0.0) == (HealthState.OPEN, 60.0, "server error", 60.0, True)
    assert not health.opened_by_breaker(60.0), "half-open is not open"


def test_failures_in_a_row_are_counted_from_the_last_success() -> None:
    health = closed()
    fail(health, 0.0, 2)
    assert health.succeeded(health.begin(1.0), 1.0) is None
    assert fail(health, 2.0, 3)[-1] == HealthChange(HealthState.OPEN, "server error", 60.0)


def test_a_neutral_end_does_not_interrupt_failures_in_a_row() -> None:
    health = closed()
    fail(health, 0.0, 2)
    health.released(health.begin(1.0), 1.0)
    assert fail(health, 2.0) == [HealthChange(HealthState.OPEN, "server error", 60.0)]


def test_threshold_0_never_opens_it() -> None:
    health = closed(HealthPolicy(failure_threshold=0))
    assert fail(health, 0.0, 100) == [None] * 100
    assert health.state(0.0) is HealthState.CLOSED


def test_failures_are_counted_afresh_after_it_was_open() -> None:
    health = closed()
    fail(health, 0.0, 3)
    health.succeeded(health.begin(60.0), 60.0)
    assert fail(health, 61.0, 2) == [None, None]
    assert health.state(61.0) is HealthState.CLOSED


# While it is open


@pytest.mark.parametrize(("seconds", "until"), [(10.0, 60.0), (30.0, 60.0), (31.0, 61.0), (3000.0, 3030.0)])
def test_a_cooldown_that_is_running_is_only_ever_lengthened(seconds: float, until: float) -> None:
    health = closed()
    late = health.begin(0.0)
    health.cool_down(health.begin(0.0), 0.0, 60.0, "rate limit")
    change = health.cool_down(late, 30.0, seconds, "overloaded")
    assert health.until == until
    assert change == (HealthChange(HealthState.OPEN, "overloaded", seconds) if until > 60.0 else None)
    assert health.reason == ("overloaded" if until > 60.0 else "rate limit")


@pytest.mark.parametrize(
    ("seconds", "reason", "news"),
    [(60.0, "rate limit", False), (63.0, "rate limit", False), (67.0, "rate limit", True), (60.0, "overloaded", True)],
)
def test_a_slightly_longer_cooldown_for_the_same_reason_is_no_news(seconds: float, reason: str, news: bool) -> None:
    health = closed()
    late = health.begin(0.0)
    health.cool_down(health.begin(0.0), 0.0, 60.0, "rate limit")
    change = health.cool_down(late, 1.0, seconds, reason)
    assert change == HealthChange(HealthState.OPEN, reason, seconds, news)


def test_the_same_cooldown_after_a_failed_trial_is_news() -> None:
    health = resting(37.0, HealthPolicy(reactivate_after=37.0))
    change = health.failed(health.begin(37.0), 37.0, "rate limit")
    assert change == HealthChange(HealthState.OPEN, "rate limit", 37.0, news=True)


def test_a_deactivation_does_not_shorten_a_longer_cooldown() -> None:
    health = closed()
    late = health.begin(0.0)
    health.cool_down(health.begin(0.0), 0.0, 3600.0, "rate limit")
    assert health.deactivate(late, 1.0, "auth") is None
    assert health.until == 3600.0


def test_a_longer_cooldown_is_not_by_the_breaker() -> None:
    health = closed()
    late = health.begin(0.0)
    fail(health, 0.0, 3)
    assert health.opened_by_breaker(1.0)
    health.cool_down(late, 1.0, 90.0, "unavailable")
    assert not health.opened_by_breaker(1.0)
    assert not health.opened_by_breaker(90.0)


def test_a_shorter_cooldown_is_kept_beside_the_breaker() -> None:
    health = closed()
    late = health.begin(0.0)
    fail(health, 0.0, 3)
    health.cool_down(late, 1.0, 30.0, "unavailable")
    assert health.until == 60.0
    assert [health.held_by_breaker(now) for now in (1.0, 30.9, 31.0, 60.0)] == [False, False, True, True]


def test_a_success_ends_the_cooldown_beside_the_breaker() -> None:
    health = closed()
    health.cool_down(health.begin(0.0), 0.0, 30.0, "unavailable")
    health.succeeded(health.begin(1.0), 1.0)
    fail(health, 2.0, 3)
    assert health.opened_by_breaker(2.0)


def test_late_failures_do_not_lengthen_it() -> None:
    health = closed()
    late = [health.begin(0.0) for _ in range(10)]
    health.cool_down(health.begin(0.0), 0.0, 10.0, "rate limit")
    assert [health.failed(each, 5.0, "server error") for each in late] == [None] * 10
    assert health.until == 10.0


def test_a_success_that_began_before_it_opened_does_not_close_it() -> None:
    health = closed()
    late = health.begin(0.0)
    health.deactivate(health.begin(0.0), 0.0, "auth")
    assert health.succeeded(late, 1.0) is None
    assert facts(health, 1.0) == (HealthState.OPEN, 600.0, "auth", 599.0, False)


def test_the_last_resort_is_no_trial_but_its_success_closes() -> None:
    health = closed()
    fail(health, 0.0, 3)
    failing, succeeding = health.begin(1.0), health.begin(1.0)
    assert not failing.trial
    assert health.failed(failing, 2.0, "server error") is None
    assert health.until == 60.0
    assert health.succeeded(succeeding, 3.0) == HealthChange(HealthState.CLOSED, "server error", 0.0)
    assert health.usable(3.0)


def test_late_failures_do_not_count_against_one_that_has_recovered() -> None:
    health = closed()
    late = [health.begin(0.0) for _ in range(10)]
    health.cool_down(health.begin(0.0), 0.0, 10.0, "rate limit")
    health.succeeded(health.begin(10.0), 11.0)
    assert [health.failed(each, 12.0, "no answer in time") for each in late] == [None] * 10
    assert fail(health, 13.0, 3) == [None, None, HealthChange(HealthState.OPEN, "server error", 60.0)]


# Half-open


def test_its_end_is_announced_once() -> None:
    health = resting(37.0)
    assert health.tick(36.0) is None
    assert health.tick(37.0) == HealthChange(HealthState.HALF_OPEN, "rate limit", 0.0)
    assert health.tick(38.0) is None


def test_one_trial_at_a_time() -> None:
    health = resting(37.0)
    trial = health.begin(40.0)
    assert trial.trial
    assert not health.usable(40.0)
    assert not health.begin(40.0).trial, "whoever is asked all the same is no trial"
    assert health.released(trial, 41.0)
    assert health.usable(41.0)
    assert health.begin(41.0).trial


def test_its_success_closes() -> None:
    health = resting(37.0)
    assert health.succeeded(health.begin(40.0), 41.0) == HealthChange(HealthState.CLOSED, "rate limit", 0.0)
    assert facts(health, 41.0) == (HealthState.CLOSED, None, "", 0.0, False)
    assert health.tick(41.0) is None


def test_each_failed_trial_doubles_the_opening_up_to_reactivate_after() -> None:
    health = resting(100.0)
    lengths = []
    for _ in range(4):
        assert health.until is not None
        now = health.until
        health.failed(health.begin(now), now, "server error")
        lengths.append(health.remaining(now))
    assert lengths == [200.0, 400.0, 600.0, 600.0]


def test_a_failed_trial_doubles_a_short_opening_too() -> None:
    health = resting(0.5)
    assert health.failed(health.begin(1.0), 1.0, "no answer in time") == HealthChange(
        HealthState.OPEN, "no answer in time", 1.0
    )


def test_without_reactivate_after_doubling_ends_at_an_hour() -> None:
    health = resting(3000.0, HealthPolicy(reactivate_after=0.0))
    health.failed(health.begin(3000.0), 3000.0, "server error")
    assert health.remaining(3000.0) == LONGEST_COOLDOWN


def test_a_success_ends_the_doubling() -> None:
    health = resting(100.0)
    health.failed(health.begin(100.0), 100.0, "server error")
    health.succeeded(health.begin(300.0), 300.0)
    assert fail(health, 301.0, 3)[-1] == HealthChange(HealthState.OPEN, "server error", 60.0)


def test_the_breaker_keeps_what_it_opened() -> None:
    health = closed()
    fail(health, 0.0, 3)
    health.failed(health.begin(60.0), 60.0, "server error")
    assert facts(health, 60.0) == (HealthState.OPEN, 180.0, "server error", 120.0, True)


def test_a_failed_trial_does_not_make_a_refused_key_the_breakers() -> None:
    health = closed()
    health.deactivate(health.begin(0.0), 0.0, "auth")
    health.failed(health.begin(600.0), 600.0, "server error")
    assert not health.opened_by_breaker(600.0)


@pytest.mark.parametrize(("hint", "seconds"), [(10.0, 74.0), (74.0, 74.0), (75.0, 75.0), (3600.0, 3600.0)])
def test_a_rate_limited_trial_opens_it_for_the_longer_of_hint_and_doubling(hint: float, seconds: float) -> None:
    health = resting(37.0)
    assert health.cool_down(health.begin(37.0), 37.0, hint, "rate limit") == HealthChange(
        HealthState.OPEN, "rate limit", seconds
    )


def test_a_trial_that_is_refused_deactivates() -> None:
    health = resting(37.0)
    assert health.deactivate(health.begin(37.0), 37.0, "auth") == HealthChange(HealthState.OPEN, "auth", 600.0)


def test_a_refused_trial_without_deactivation_opens_it_again_for_twice_as_long() -> None:
    health = resting(37.0, HealthPolicy(reactivate_after=0.0))
    assert health.deactivate(health.begin(37.0), 37.0, "auth") == HealthChange(HealthState.OPEN, "auth", 74.0)
    assert not health.usable(110.9)
    assert health.usable(111.0)


def test_without_deactivation_a_refusal_says_nothing_of_one_that_is_closed() -> None:
    health = closed(HealthPolicy(reactivate_after=0.0))
    assert health.deactivate(health.begin(0.0), 0.0, "auth") is None
    assert health.state(0.0) is HealthState.CLOSED


def test_a_trial_that_is_rate_limited_without_a_hint_opens_it_again_for_twice_as_long() -> None:
    health = resting(37.0)
    assert health.cool_down(health.begin(37.0), 37.0, 0.0, "rate limit") == HealthChange(
        HealthState.OPEN, "rate limit", 74.0
    )


def test_a_trial_that_never_ends_blocks_for_its_lease_only() -> None:
    health = resting(37.0)
    lost = health.begin(40.0)
    assert not health.usable(40.0 + LEASE - 1)
    assert health.usable(40.0 + LEASE)
    second = health.begin(40.0 + LEASE)
    assert second.trial != lost.trial
    assert not health.usable(40.0 + LEASE)
    assert not health.released(lost, 41.0 + LEASE), "its end makes no room for a third"
    assert not health.usable(41.0 + LEASE)
    assert health.failed(lost, 41.0 + LEASE, "server error") is None
    assert health.succeeded(second, 42.0 + LEASE) == HealthChange(HealthState.CLOSED, "rate limit", 0.0)


def test_a_trial_that_was_overtaken_by_a_success_is_an_attempt_like_any_other() -> None:
    health = resting(37.0)
    trial, other = health.begin(40.0), health.begin(40.0)
    assert health.succeeded(other, 41.0) == HealthChange(HealthState.CLOSED, "rate limit", 0.0)
    assert health.failed(trial, 42.0, "server error") is None
    assert health.state(42.0) is HealthState.CLOSED
    assert fail(health, 43.0, 2)[-1] == HealthChange(HealthState.OPEN, "server error", 60.0), "but it was a failure"


def test_a_trial_that_was_overtaken_by_a_cooldown_closes_nothing() -> None:
    health = closed()
    late = health.begin(0.0)
    health.cool_down(health.begin(0.0), 0.0, 37.0, "rate limit")
    trial = health.begin(40.0)
    health.cool_down(late, 41.0, 100.0, "overloaded")
    assert health.succeeded(trial, 42.0) is None
    assert health.remaining(42.0) == 99.0
    assert health.begin(141.0).trial


def test_a_trial_of_an_earlier_opening_delays_no_later_trial() -> None:
    health = closed()
    late = health.begin(0.0)
    health.cool_down(health.begin(0.0), 0.0, 37.0, "rate limit")
    lost = health.begin(40.0)
    assert lost.trial
    health.cool_down(late, 41.0, 100.0, "overloaded")
    assert health.usable(141.0), "though the lease of the first is not over"


def test_an_attempt_that_failed_and_is_released_then_counts_once() -> None:
    """As the attempt loop ends each attempt."""
    health = closed()
    for _ in range(2):
        permit = health.begin(0.0)
        health.failed(permit, 0.0, "server error")
        assert not health.released(permit, 0.0)
    assert health.state(0.0) is HealthState.CLOSED


# What workers tell each other


def test_an_opening_that_another_worker_tells_is_the_same_here() -> None:
    mine, others = resting(30.0), closed()
    others.adopt(mine.shared())
    assert facts(others, 10.0) == facts(mine, 10.0)
    assert others.tick(40.0) is None  # the worker that tells it has logged it
    trial = others.begin(40.0)
    assert trial.trial
    assert others.failed(trial, 40.0, "server error") == HealthChange(HealthState.OPEN, "server error", 60.0)


def test_an_opening_by_failures_that_another_worker_tells_is_by_failures_here() -> None:
    mine, others = closed(), closed()
    fail(mine, 0.0, 3)
    others.adopt(mine.shared())
    assert others.opened_by_breaker(10.0)


def test_a_cooldown_that_another_worker_tells_is_no_opening_by_failures_here() -> None:
    mine, others = closed(), closed()
    fail(mine, 0.0, 3)
    mine.cool_down(mine.begin(1.0), 1.0, 30.0, "rate limit")
    others.adopt(mine.shared())
    assert [others.opened_by_breaker(now) for now in (30.9, 31.0)] == [False, True]


def test_an_attempt_from_before_the_opening_that_another_worker_tells_closes_nothing() -> None:
    health = closed()
    permit = health.begin(0.0)
    health.adopt(resting(30.0).shared())
    assert health.succeeded(permit, 5.0) is None
    assert not health.usable(5.0)


def test_what_another_worker_closed_is_closed_here_since_the_same_time() -> None:
    mine, others = resting(30.0), resting(30.0)
    assert mine.succeeded(mine.begin(40.0), 41.0) is not None
    others.adopt(mine.shared())
    assert facts(others, 42.0) == facts(mine, 42.0) == (HealthState.CLOSED, None, "", 0.0, False)
    assert others.recovered == mine.recovered == 30.0


def test_a_health_that_was_never_open_can_be_told() -> None:
    health = resting(30.0)
    health.adopt(closed().shared())
    assert health.usable(0.0)
    assert health.recovered is None
