"""The health of one provider, or of one of its keys: a pure state machine, with the time passed in.

::

    closed ── a cooldown, a deactivation, or too many failures in a row ──► open(until, reason)
    open ── time passes ──► half-open: one trial, a real request, is let through
    half-open ── the trial succeeds ──► closed
              └─ the trial fails ──► open, for twice as long as before

For how long it opens, by what is said of an attempt:

=============  ==============================================  ==================================================
said           of any attempt                                  of the trial
=============  ==============================================  ==================================================
`failed`       `open_timeout`, after `failure_threshold` such  twice as long as before
`rest`         as asked, an hour at most                       as asked, but at least twice as long as before
`deactivate`   `reactivate_after`                              `reactivate_after`; if that is 0, as after `failed`
`trial_failed` not at all                                      twice as long as before
=============  ==============================================  ==================================================

An opening is only ever replaced by one that ends later. Times are seconds of a monotonic clock. What is said of an
attempt that began before the last opening closes nothing.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import frozen

from clipal.config.model import Settings

LEASE: Final = 600.0
"""Seconds after which a trial that has not ended does not keep others waiting any longer."""
LONGEST_COOLDOWN: Final = 3600.0
"""Seconds of a cooldown at most, and of a doubled rest where `reactivate_after` does not bound it."""

_NEWS: Final = 1.1
"""By so much must a rest grow for that to be news."""


class HealthState(Enum):
    """Whether requests are let through: all, none, or one to try it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@frozen
class HealthPolicy:
    """How health is kept.

    Attributes:
        failure_threshold: failures in a row after which it opens; 0 for never.
        open_timeout: seconds for which it opens then.
        reactivate_after: seconds of a deactivation; 0 for no deactivation at all.
    """

    failure_threshold: int = 4
    open_timeout: float = 60.0
    reactivate_after: float = 3600.0

    @classmethod
    def from_settings(cls, settings: Settings) -> HealthPolicy:
        """As the configuration has it."""
        breaker = settings.circuit_breaker
        return cls(breaker.failure_threshold, breaker.open_timeout, settings.reactivate_after)

    @property
    def longest(self) -> float:
        """Seconds of a rest that has been doubled at most."""
        return self.reactivate_after or LONGEST_COOLDOWN


@frozen
class HealthPermit:
    """Leave for one attempt.

    Attributes:
        opening: how often it had opened when the attempt began.
        trial: the number of the trial that the attempt is; 0 for none.
    """

    opening: int
    trial: int = 0


@frozen
class Opening:
    """Why no attempt may be made, until its time and then a trial are over.

    Attributes:
        until: when its time is over.
        seconds: how long that was from its beginning.
        reason: in an operator's words.
        by_breaker: whether failures in a row are its cause.
    """

    until: float
    seconds: float
    reason: str
    by_breaker: bool


@frozen
class Trial:
    """The trial that is in flight.

    Attributes:
        number: as its permit has it.
        ends: when others need not wait for it any longer.
    """

    number: int
    ends: float


@frozen
class HealthChange:
    """A change of state, for a line in the log.

    Attributes:
        seconds: for which it is open now; 0 if it is not.
        news: False where a rest that has been told of merely lasts a little longer: requests that are made at once
            are refused one after another.
    """

    after: HealthState
    reason: str
    seconds: float
    news: bool = True


class Health:
    """One provider's, or one key's.

    Attributes:
        policy: may be replaced at any time; an opening stays as long as it is.
        opening: the last one, until an attempt succeeds; None for closed.
        rested: when the last opening that a success has closed was over; None before the first.
    """

    def __init__(self, policy: HealthPolicy) -> None:
        self.policy = policy
        self.opening: Opening | None = None
        self.rested: float | None = None
        self._failures = 0
        self._permit = HealthPermit(0)  # one for all attempts that begin before the next opening
        self._seconds = 0.0  # of the last opening, which a success leaves as it is
        self._asked_until = 0.0
        self._announced = True
        self._trials = 0
        self._trial: Trial | None = None

    # What may be asked

    @property
    def until(self) -> float | None:
        """When the opening's time is over, or was; None for closed."""
        return None if self.opening is None else self.opening.until

    @property
    def reason(self) -> str:
        """Of the opening; empty for closed."""
        return "" if self.opening is None else self.opening.reason

    def state(self, now: float) -> HealthState:
        """The state at `now`."""
        if self.opening is None:
            return HealthState.CLOSED
        return HealthState.OPEN if now < self.opening.until else HealthState.HALF_OPEN

    def usable(self, now: float) -> bool:
        """Whether an attempt may begin: always when closed, never when open, one at a time in between."""
        return self.opening is None or self._wants_trial(now)

    def remaining(self, now: float) -> float:
        """Seconds until it is not open any more; 0 if it is not."""
        return 0.0 if self.opening is None else max(0.0, self.opening.until - now)

    def opened_by_breaker(self, now: float) -> bool:
        """Whether it is open, and failures in a row are all that keeps it so: no shorter cooldown runs beside that."""
        return self.state(now) is HealthState.OPEN and self._asked_until <= now and self._is_by_breaker

    def held_by_breaker(self, now: float) -> bool:
        """Whether failures in a row are all that keeps attempts away: until its time is over, and then its trial."""
        return self.opened_by_breaker(now) or (self.state(now) is HealthState.HALF_OPEN and self._is_by_breaker)

    # An attempt: it begins, and one thing is said of it

    def begin(self, now: float) -> HealthPermit:
        """Leave for one attempt, which is the trial if one is wanted.

        It is given at all times: `usable` says whether there should be an attempt, and whoever makes one all the
        same (the last resort, a pinned provider) takes no trial's place.
        """
        if self.opening is None or not self._wants_trial(now):
            return self._permit
        self._trials += 1
        self._trial = Trial(self._trials, now + LEASE)
        return HealthPermit(self._permit.opening, self._trials)

    def succeeded(self, permit: HealthPermit, now: float) -> HealthChange | None:
        """The attempt was answered, to the end."""
        change = self.answered(permit, now)
        if permit.opening == self._permit.opening:
            self._failures = 0
        return change

    def answered(self, permit: HealthPermit, now: float) -> HealthChange | None:
        """The answer has begun: it is closed, but failures in a row are not over before an answer is whole."""
        self.released(permit, now)
        if permit.opening != self._permit.opening or self.opening is None:
            return None
        change = HealthChange(HealthState.CLOSED, self.opening.reason, 0.0)
        self.rested, self.opening = min(self.opening.until, now), None
        self._asked_until = 0.0
        self._trial = None  # one that is still on its way is an attempt like any other now
        return change

    def failed(self, permit: HealthPermit, now: float, reason: str) -> HealthChange | None:
        """The attempt failed in a way that says something about the provider, but not for how long."""
        change = self.trial_failed(permit, now, reason)
        if change is not None:
            return change
        if self.opening is not None or permit.opening != self._permit.opening:
            return None
        self._failures += 1
        if not self.policy.failure_threshold or self._failures < self.policy.failure_threshold:
            return None
        return self._open(now, self.policy.open_timeout, reason, by_breaker=True)

    def rest(self, permit: HealthPermit, now: float, seconds: float, reason: str) -> HealthChange | None:
        """The provider is to be left alone for so many seconds; an hour at most are believed.

        None at all (a rate limit without a hint) says nothing, but to a trial.
        """
        seconds = min(seconds, LONGEST_COOLDOWN)
        self._asked_until = max(self._asked_until, now + seconds)
        if self.released(permit, now):
            seconds = max(seconds, self._doubled())
        return self._open(now, seconds, reason)

    def deactivate(self, permit: HealthPermit, now: float, reason: str) -> HealthChange | None:
        """The provider refuses the key, or its account has no credit: that does not pass by itself.

        Where deactivation is switched off, that says nothing, but to a trial: it has failed like any other.
        """
        if not self.policy.reactivate_after:
            return self.trial_failed(permit, now, reason)
        self.released(permit, now)
        return self._open(now, self.policy.reactivate_after, reason)

    def trial_failed(self, permit: HealthPermit, now: float, reason: str) -> HealthChange | None:
        """The attempt failed in a way that says something to a trial only."""
        if not self.released(permit, now):
            return None
        return self._open(now, self._doubled(), reason, by_breaker=self._is_by_breaker)

    def released(self, permit: HealthPermit, now: float) -> bool:
        """The attempt has ended, which in itself says nothing.

        Returns:
            whether it was the trial.
        """
        if self._trial is None or permit.trial != self._trial.number:
            return False
        self._trial = None
        return True

    def tick(self, now: float) -> HealthChange | None:
        """Says once that an opening's time is over."""
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
        """Twice the seconds of the last opening, within the bound."""
        return min(2 * self._seconds, self.policy.longest)

    def _open(self, now: float, seconds: float, reason: str, *, by_breaker: bool = False) -> HealthChange | None:
        """Opens it, unless it is open for longer already. Every opening is made here."""
        if seconds <= 0 or (self.opening is not None and now + seconds <= self.opening.until):
            return None
        news = reason != self.reason or seconds > _NEWS * self.remaining(now)
        self.opening = Opening(now + seconds, seconds, reason, by_breaker)
        self._seconds = seconds
        self._permit = HealthPermit(self._permit.opening + 1)
        self._trial = None
        self._announced = False
        return HealthChange(HealthState.OPEN, reason, seconds, news)
