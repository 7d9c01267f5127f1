"""What holds of a provider's health whatever happens to it, in any order, at any time.

Times are whole seconds, so that sums of them are exact.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from clipal.providers.health import LEASE, Health
from clipal.providers.health_state import (
    LONGEST_COOLDOWN,
    HealthChange,
    HealthPermit,
    HealthPolicy,
    HealthState,
)

POLICIES = st.builds(
    HealthPolicy,
    failure_threshold=st.integers(0, 3),
    open_timeout=st.integers(1, 120).map(float),
    reactivate_after=st.sampled_from([0.0, 30.0, 600.0, 7200.0]),
)


Attempt = tuple[HealthPermit, int]
"""With how often it had opened when the attempt began."""


class Attempts(RuleBasedStateMachine):
    """Begins attempts, ends them in every way, and lets time pass."""

    attempts = Bundle("attempts")

    @initialize(policy=POLICIES)
    def set_up(self, policy: HealthPolicy) -> None:
        self.policy = policy
        self.health = Health(policy)
        self.now = 1000.0
        self.failures = 0
        self.length = 0.0
        self.openings = 0
        self.trial: HealthPermit | None = None
        self.trial_ends = 0.0

    # What happens

    @rule(seconds=st.integers(0, 700).map(float))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.health.state(self.now) is HealthState.OPEN)
    @rule()
    def the_rest_ends(self) -> None:
        self.now += self.health.remaining(self.now)
        assert self.health.state(self.now) is HealthState.HALF_OPEN

    @rule(target=attempts)
    def an_attempt_begins(self) -> Attempt:
        """Also where none should: the last resort is tried all the same."""
        wanted = self.health.usable(self.now) and self.health.state(self.now) is HealthState.HALF_OPEN
        permit = self.health.begin(self.now)
        assert bool(permit.trial) is wanted
        if wanted:
            self.trial, self.trial_ends = permit, self.now + LEASE
        return permit, self.openings

    @rule(attempt=consumes(attempts))
    def it_succeeds(self, attempt: Attempt) -> None:
        permit, openings = attempt
        before = self.health.until
        change = self.health.succeeded(permit, self.now)
        self.ended(permit)
        if openings != self.openings:
            assert change is None
            assert self.health.until == before
            return
        assert self.health.state(self.now) is HealthState.CLOSED
        assert (change is None) is (before is None)
        assert change is None or change.after is HealthState.CLOSED
        self.failures, self.trial = 0, None

    @rule(attempt=attempts)
    def its_answer_begins(self, attempt: Attempt) -> None:
        """Which closes it, but ends no row of failures."""
        permit, openings = attempt
        before = self.health.until
        change = self.health.answered(permit, self.now)
        self.ended(permit)
        if openings != self.openings:
            self.nothing_changed(change, before)
            return
        assert self.health.state(self.now) is HealthState.CLOSED
        assert (change is None) is (before is None)
        self.trial = None

    @rule(attempt=consumes(attempts))
    def it_fails(self, attempt: Attempt) -> None:
        permit, openings = attempt
        state, before = self.health.state(self.now), self.health.until
        trial = self.ended(permit)
        change = self.health.failed(permit, self.now, "server error")
        if trial:
            self.opened(change, min(2 * self.length, self.policy.reactivate_after or LONGEST_COOLDOWN))
        elif state is HealthState.CLOSED and openings == self.openings:
            self.failures += 1
            if 0 < self.policy.failure_threshold <= self.failures:
                self.opened(change, self.policy.open_timeout)
                assert self.health.opened_by_breaker(self.now)
                return
            self.nothing_changed(change, before)
        else:
            self.nothing_changed(change, before)

    @rule(attempt=consumes(attempts), seconds=st.integers(-10, 10_000).map(float))
    def it_is_rate_limited(self, attempt: Attempt, seconds: float) -> None:
        permit, _ = attempt
        before = self.health.until
        wanted = min(seconds, LONGEST_COOLDOWN)
        if self.ended(permit):
            wanted = max(wanted, min(2 * self.length, self.policy.reactivate_after or LONGEST_COOLDOWN))
        change = self.health.cool_down(permit, self.now, seconds, "rate limit")
        self.rests(change, before, wanted)

    @rule(attempt=consumes(attempts))
    def it_is_refused(self, attempt: Attempt) -> None:
        permit, _ = attempt
        before = self.health.until
        wanted = self.policy.reactivate_after
        if self.ended(permit) and not wanted:
            wanted = min(2 * self.length, LONGEST_COOLDOWN)
        change = self.health.deactivate(permit, self.now, "auth")
        self.rests(change, before, wanted)

    @rule(attempt=consumes(attempts))
    def it_ends_without_a_word(self, attempt: Attempt) -> None:
        permit, _ = attempt
        before = (self.health.state(self.now), self.health.until, self.health.reason)
        assert self.health.released(permit, self.now) is self.ended(permit)
        assert (self.health.state(self.now), self.health.until, self.health.reason) == before

    # What must come of it

    def ended(self, permit: HealthPermit) -> bool:
        """Whether it was the trial."""
        if permit != self.trial:
            return False
        self.trial = None
        return True

    def opened(self, change: HealthChange | None, seconds: float) -> None:
        assert change is not None
        assert change.after is HealthState.OPEN
        assert change.seconds == seconds == self.health.remaining(self.now)
        assert not self.health.usable(self.now)
        self.length, self.trial = seconds, None
        self.openings += 1

    def rests(self, change: HealthChange | None, before: float | None, seconds: float) -> None:
        if seconds > 0 and (before is None or self.now + seconds > before):
            self.opened(change, seconds)
        else:
            self.nothing_changed(change, before)

    def nothing_changed(self, change: HealthChange | None, before: float | None) -> None:
        assert change is None
        assert self.health.until == before

    # What always holds

    @invariant()
    def the_bounds_are_kept(self) -> None:
        bound = max(LONGEST_COOLDOWN, self.policy.reactivate_after, self.policy.open_timeout)
        assert 0 <= self.health.remaining(self.now) <= bound

    @invariant()
    def the_state_says_who_is_let_through(self) -> None:
        in_flight = self.trial is not None and self.now < self.trial_ends
        expected = {HealthState.CLOSED: True, HealthState.OPEN: False, HealthState.HALF_OPEN: not in_flight}
        assert self.health.usable(self.now) is expected[self.health.state(self.now)]

    @invariant()
    def only_what_is_open_has_time_left_and_is_the_breakers(self) -> None:
        is_open = self.health.state(self.now) is HealthState.OPEN
        assert (self.health.remaining(self.now) > 0) is is_open
        assert is_open or not self.health.opened_by_breaker(self.now)
        assert (self.health.reason == "") is (self.health.state(self.now) is HealthState.CLOSED)

    @invariant()
    def it_can_be_used_in_the_end(self) -> None:
        assert self.health.usable(self.now + self.health.remaining(self.now) + LEASE)

    @invariant()
    def a_change_is_announced_once(self) -> None:
        change = self.health.tick(self.now)
        assert change is None or change.after is self.health.state(self.now) is HealthState.HALF_OPEN
        assert self.health.tick(self.now) is None


TestAttempts = Attempts.TestCase
