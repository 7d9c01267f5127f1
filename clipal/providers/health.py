"""The health of one provider, or of one of its keys: a pure state machine, with the time passed in.

::

    closed ── a cooldown, a deactivation, or too many failures in a row ──► open(until, reason)
    open ── time passes ──► half-open: one probe, a real request, is let through
    half-open ── the probe succeeds ──► closed
              └─ the probe fails ──► open, for twice as long as before

All that changes it is in this module. Times are seconds of a monotonic clock. An attempt begins with a `Permit` and
ends with one of `succeeded`, `failed`, `rest`, `deactivate` or `released`; what is said of an attempt that began
before the last opening is old news, and closes nothing.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import frozen

from clipal.config.model import Settings

LEASE: Final = 600.0
"""Seconds after which a probe that has not ended does not keep others waiting any longer."""
LONGEST: Final = 3600.0
"""Seconds of a cooldown at most, and of a doubled rest where `reactivate_after` does not bound it."""

_NEWS: Final = 1.1
"""By so much must a rest grow for that to be news."""


class State(Enum):
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
        return self.reactivate_after or LONGEST


@frozen
class Permit:
    """Leave for one attempt.

    Attributes:
        opening: how often it had opened when the attempt began.
        probe: the number of the probe that the attempt is; 0 for none.
    """

    opening: int
    probe: int = 0


@frozen
class Change:
    """A change of state, for a line in the log.

    Attributes:
        seconds: for which it is open now; 0 if it is not.
        news: False where a rest that has been told of merely lasts a little longer: requests that are made at once
            are refused one after another.
    """

    after: State
    reason: str
    seconds: float
    news: bool = True


class Health:
    """One provider's, or one key's.

    Attributes:
        policy: may be replaced at any time; a rest that has begun stays as long as it is.
        until: when its last rest ends or ended; None before the first, and after a success.
        rested: when the rest ended that a success was the end of, None before the first.
        reason: of that rest, in an operator's words.
    """

    def __init__(self, policy: HealthPolicy) -> None:
        self.policy = policy
        self._failures = 0
        self._opening = 0
        self._permit = Permit(0)  # one for all attempts that begin before the next opening
        self._length = 0.0
        self._by_breaker = False
        self._asked_until = 0.0
        self._announced = True
        self._probes = 0
        self._probe: int | None = None
        self._probe_ends = 0.0
        self.until: float | None = None
        self.rested: float | None = None
        self.reason = ""

    # What may be asked

    def state(self, now: float) -> State:
        """The state at `now`."""
        if self.until is None:
            return State.CLOSED
        return State.OPEN if now < self.until else State.HALF_OPEN

    def usable(self, now: float) -> bool:
        """Whether an attempt may begin: always when closed, never when open, one at a time in between."""
        return self.until is None or self._wants_probe(now)

    def remaining(self, now: float) -> float:
        """Seconds until it is not open any more; 0 if it is not."""
        return 0.0 if self.until is None else max(0.0, self.until - now)

    def opened_by_breaker(self, now: float) -> bool:
        """Whether it is open, and failures in a row are all that keeps it so: no shorter cooldown runs beside that."""
        return self._by_breaker and self._asked_until <= now and self.state(now) is State.OPEN

    def held_by_breaker(self, now: float) -> bool:
        """Whether failures in a row are all that keeps attempts away: until its rest is over, and then its probe."""
        return self.opened_by_breaker(now) or (self._by_breaker and self.state(now) is State.HALF_OPEN)

    # An attempt

    def begin(self, now: float) -> Permit:
        """Leave for one attempt, which is the probe if one is wanted.

        It is given at all times: `usable` says whether there should be an attempt, and whoever makes one all the
        same (the last road, a pinned provider) takes no probe's place.
        """
        if self.until is None or not self._wants_probe(now):
            return self._permit
        self._probes += 1
        self._probe, self._probe_ends = self._probes, now + LEASE
        return Permit(self._opening, self._probes)

    def succeeded(self, permit: Permit, now: float) -> Change | None:
        """The attempt was answered, to the end."""
        change = self.answered(permit, now)
        if permit.opening == self._opening:
            self._failures = 0
        return change

    def answered(self, permit: Permit, now: float) -> Change | None:
        """The answer has begun: it is closed, but failures in a row are not over before an answer is whole."""
        self.released(permit, now)
        if permit.opening != self._opening or self.until is None:
            return None
        self.rested, self.until = min(self.until, now), None
        self._asked_until = 0.0
        self._probe = None  # one that is still on its way is an attempt like any other now
        change, self.reason = Change(State.CLOSED, self.reason, 0.0), ""
        return change

    def failed(self, permit: Permit, now: float, reason: str) -> Change | None:
        """The attempt failed in a way that says something about the provider, but not for how long."""
        change = self.trial_failed(permit, now, reason)
        if change is not None:
            return change
        if self.state(now) is not State.CLOSED or permit.opening != self._opening:
            return None
        self._failures += 1
        if not self.policy.failure_threshold or self._failures < self.policy.failure_threshold:
            return None
        return self._open(now, self.policy.open_timeout, reason, True)

    def rest(self, permit: Permit, now: float, seconds: float, reason: str) -> Change | None:
        """The provider is to be left alone for so many seconds; an hour at most are believed.

        None at all (a rate limit without a hint) says nothing, but to a trial.
        """
        probe = self.released(permit, now)
        seconds = min(seconds, LONGEST)
        self._asked_until = max(self._asked_until, now + seconds)
        return self._open(now, max(seconds, self._doubled()) if probe else seconds, reason, False)

    def deactivate(self, permit: Permit, now: float, reason: str) -> Change | None:
        """The provider refuses the key, or its account has no credit: that does not pass by itself.

        Where deactivation is switched off, that says nothing, but to a trial: it has failed like any other.
        """
        if not self.policy.reactivate_after:
            return self.trial_failed(permit, now, reason)
        self.released(permit, now)
        return self._open(now, self.policy.reactivate_after, reason, False)

    def trial_failed(self, permit: Permit, now: float, reason: str) -> Change | None:
        """The attempt failed in a way that says something to a trial only: it opens again, for twice as long."""
        return self._open(now, self._doubled(), reason, self._by_breaker) if self.released(permit, now) else None

    def released(self, permit: Permit, now: float) -> bool:
        """The attempt has ended, which in itself says nothing.

        Returns:
            whether it was the probe.
        """
        if not permit.probe or permit.probe != self._probe:
            return False
        self._probe = None
        return True

    def tick(self, now: float) -> Change | None:
        """Says once that a rest is over."""
        if self._announced or self.state(now) is not State.HALF_OPEN:
            return None
        self._announced = True
        return Change(State.HALF_OPEN, self.reason, 0.0)

    def _wants_probe(self, now: float) -> bool:
        """Whether it is half-open, and no probe is in flight."""
        return self.state(now) is State.HALF_OPEN and (self._probe is None or now >= self._probe_ends)

    def _doubled(self) -> float:
        """Seconds of the rest after a failed probe: twice as long as before, within the bound."""
        return min(2 * self._length, self.policy.longest)

    def _open(self, now: float, seconds: float, reason: str, by_breaker: bool) -> Change | None:
        """Opens it, unless it rests for longer already."""
        if seconds <= 0 or (self.until is not None and now + seconds <= self.until):
            return None
        news = reason != self.reason or seconds > _NEWS * self.remaining(now)
        self._opening += 1
        self._permit = Permit(self._opening)
        self._probe = None
        self.until, self._length, self.reason = now + seconds, seconds, reason
        self._by_breaker = by_breaker
        self._announced = False
        return Change(State.OPEN, reason, seconds, news)
