"""The health of one provider, or of one of its keys: a pure state machine, with the time passed in.

::

    closed ── a cooldown, a deactivation, or too many failures in a row ──► open(until, reason)
    open ── time passes ──► half-open: one trial, a real request, is let through
    half-open ── the trial succeeds ──► closed
              └─ the trial fails ──► open, for twice as long as before

What is said of an attempt decides for how long it opens:

==============  ==============================================  ==================================================
said            of any attempt                                  of the trial
==============  ==============================================  ==================================================
`failed`        `open_timeout`, after `failure_threshold` such  twice as long as before
`cool_down`     as asked, an hour at most                       as asked, but at least twice as long as before
`deactivate`    `reactivate_after`                              `reactivate_after`; if that is 0, as after `failed`
`trial_failed`  not at all                                      twice as long as before
==============  ==============================================  ==================================================

A later opening replaces an earlier one only if the later one ends after it. Only an attempt that began after the last
opening can close it. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from attrs import asdict

from clipal.providers.health_state import (
    LONGEST_COOLDOWN,
    HealthChange,
    HealthPermit,
    HealthPolicy,
    HealthState,
    Opening,
    Trial,
)

LEASE: Final = 600.0
"""Seconds after which another trial may begin though the last one has not ended."""

SharedHealth: TypeAlias = dict[str, Any]
"""What processes tell each other of a health."""

_NEWS: Final = 1.1
"""An opening that is extended is logged again only if the time that is left grows by this factor."""


class Health:
    """The health of one provider or of one key.

    Attributes:
        policy: may be replaced at any time; an opening keeps the time that it has.
        opening: the last one, until an attempt succeeds; None for closed.
        failures: how many attempts have failed in a row, of those that began while it was closed.
        permit: leave for an attempt that is no trial; one for all attempts that begin before the next opening.
        recovered: when the last opening that was followed by a success was over; None before the first success of
            that kind.
    """

    def __init__(self, policy: HealthPolicy) -> None:
        self.policy = policy
        self.opening: Opening | None = None
        self.recovered: float | None = None
        self.failures = 0
        self.permit = HealthPermit(0)
        self._last_seconds = 0.0  # of the last opening; a success does not reset it
        self._cooldown_until = 0.0
        self._announced = True
        self._trials = 0
        self._trial: Trial | None = None

    # What other workers know

    def shared(self) -> SharedHealth:
        """The opening, or when the last one was over; as plain values."""
        opening = self.opening
        if opening is None:
            return {"recovered": self.recovered}
        return {**asdict(opening), "cooldown_until": self._cooldown_until}

    def adopt(self, shared: SharedHealth) -> None:
        """Takes over what another worker tells, which logs it too. Failures that open nothing are each worker's own."""
        self._trial = None
        if "until" not in shared:
            self.opening, self.recovered, self._cooldown_until = None, shared["recovered"], 0.0
            return
        values = dict(shared)
        self._cooldown_until = values.pop("cooldown_until")
        self.opening = Opening(**values)
        self._last_seconds = self.opening.seconds
        self.permit = HealthPermit(self.permit.opening + 1)
        self._announced = True

    # The state

    @property
    def until(self) -> float | None:
        """When the opening's time is over, or was over; None for closed."""
        return None if self.opening is None else self.opening.until

    @property
    def reason(self) -> str:
        """The reason of the opening; empty for closed."""
        return "" if self.opening is None else self.opening.reason

    def state(self, now: float) -> HealthState:
        """The state at `now`."""
        if self.opening is None:
            return HealthState.CLOSED
        return HealthState.OPEN if now < self.opening.until else HealthState.HALF_OPEN

    def usable(self, now: float) -> bool:
        """Whether an attempt may begin: always when closed, never when open, one at a time when half-open."""
        return self.opening is None or self._wants_trial(now)

    def remaining(self, now: float) -> float:
        """Seconds until it is no longer open; 0 if it is not open."""
        return 0.0 if self.opening is None else max(0.0, self.opening.until - now)

    def opened_by_breaker(self, now: float) -> bool:
        """Whether it is open because of failures in a row alone: no shorter cooldown runs at the same time."""
        return self.state(now) is HealthState.OPEN and self._cooldown_until <= now and self._is_by_breaker

    def held_by_breaker(self, now: float) -> bool:
        """Whether it is open because of failures in a row alone, or half-open after such an opening."""
        return self.opened_by_breaker(now) or (self.state(now) is HealthState.HALF_OPEN and self._is_by_breaker)

    # An attempt: it begins, and then its result is reported

    def begin(self, now: float) -> HealthPermit:
        """Gives leave for one attempt, which is the trial if it is half-open and no trial is in flight.

        A permit is given in every state: `usable` says whether there should be an attempt. An attempt that is made all
        the same (the last resort, a pinned provider) is not a trial.
        """
        if self.opening is None or not self._wants_trial(now):
            return self.permit
        self._trials += 1
        self._trial = Trial(self._trials, now + LEASE)
        return HealthPermit(self.permit.opening, self._trials)

    def succeeded(self, permit: HealthPermit, now: float) -> HealthChange | None:
        """The attempt was answered, and the answer has ended whole."""
        change = self.answered(permit, now)
        if permit.opening == self.permit.opening:
            self.failures = 0
        return change

    def answered(self, permit: HealthPermit, now: float) -> HealthChange | None:
        """The answer has begun: this closes it, but the failures in a row count on until an answer has ended whole."""
        self.released(permit, now)
        if permit.opening != self.permit.opening or self.opening is None:
            return None
        change = HealthChange(HealthState.CLOSED, self.opening.reason, 0.0)
        self.recovered, self.opening = min(self.opening.until, now), None
        self._cooldown_until = 0.0
        self._trial = None  # a trial that is still in flight is an attempt like any other now
        return change

    def failed(self, permit: HealthPermit, now: float, reason: str) -> HealthChange | None:
        """The attempt failed, and nothing says for how long the provider will fail."""
        change = self.trial_failed(permit, now, reason)
        if change is not None:
            return change
        if self.opening is not None or permit.opening != self.permit.opening:
            return None
        self.failures += 1
        if not self.policy.failure_threshold or self.failures < self.policy.failure_threshold:
            return None
        return self._open(now, self.policy.open_timeout, reason, by_breaker=True)

    def cool_down(self, permit: HealthPermit, now: float, seconds: float, reason: str) -> HealthChange | None:
        """The provider asks for a cooldown of so many seconds, of which an hour at most is granted.

        With 0 seconds (a rate limit without a hint) only a trial opens it.
        """
        seconds = min(seconds, LONGEST_COOLDOWN)
        self._cooldown_until = max(self._cooldown_until, now + seconds)
        if self.released(permit, now):
            seconds = max(seconds, self._doubled())
        return self._open(now, seconds, reason)

    def deactivate(self, permit: HealthPermit, now: float, reason: str) -> HealthChange | None:
        """The provider refuses the key, or the account has no credit: that does not pass by itself.

        Where deactivation is switched off, only a trial opens it, as one that has failed.
        """
        if not self.policy.reactivate_after:
            return self.trial_failed(permit, now, reason)
        self.released(permit, now)
        return self._open(now, self.policy.reactivate_after, reason)

    def trial_failed(self, permit: HealthPermit, now: float, reason: str) -> HealthChange | None:
        """The attempt failed in a way that opens it only if the attempt is the trial."""
        if not self.released(permit, now):
            return None
        return self._open(now, self._doubled(), reason, by_breaker=self._is_by_breaker)

    def released(self, permit: HealthPermit, now: float) -> bool:
        """The attempt has ended: if it is the trial, another trial may begin.

        Returns:
            whether the attempt was the trial in flight.
        """
        if self._trial is None or permit.trial != self._trial.number:
            return False
        self._trial = None
        return True

    def tick(self, now: float) -> HealthChange | None:
        """The change to half-open when the opening's time is over; None when that was returned before."""
        if self._announced or self.state(now) is not HealthState.HALF_OPEN:
            return None
        self._announced = True
        return HealthChange(HealthState.HALF_OPEN, self.reason, 0.0)

    @property
    def _is_by_breaker(self) -> bool:
        return self.opening is not None and self.opening.by_breaker

    def _wants_trial(self, now: float) -> bool:
        """Whether it is half-open, and no trial is in flight."""
        return self.state(now) is HealthState.HALF_OPEN and (self._trial is None or now >= self._trial.ends)

    def _doubled(self) -> float:
        """Twice the seconds of the last opening, within the policy's bound."""
        return min(2 * self._last_seconds, self.policy.longest)

    def _open(self, now: float, seconds: float, reason: str, *, by_breaker: bool = False) -> HealthChange | None:
        """Opens it, unless it is open for longer already. No other method makes an opening."""
        if seconds <= 0 or (self.opening is not None and now + seconds <= self.opening.until):
            return None
        news = reason != self.reason or seconds > _NEWS * self.remaining(now)
        self.opening = Opening(now + seconds, seconds, reason, by_breaker)
        self._last_seconds = seconds
        self.permit = HealthPermit(self.permit.opening + 1)
        self._trial = None
        self._announced = False
        return HealthChange(HealthState.OPEN, reason, seconds, news)
