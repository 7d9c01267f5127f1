"""The values of `clipal.providers.health`: its states and policy, leave for an attempt, and a change to log."""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import frozen

from clipal.config.settings import Settings

LONGEST_COOLDOWN: Final = 3600.0
"""Seconds that a cooldown lasts at most; also a doubled one, where `reactivate_after` does not bound that."""


class HealthState(Enum):
    """How many attempts may be made."""

    CLOSED = "closed"
    """All."""
    OPEN = "open"
    """None."""
    HALF_OPEN = "half-open"
    """One at a time, the trial."""


@frozen
class HealthPolicy:
    """The settings of health.

    Attributes:
        failure_threshold: failures in a row after which it opens; 0 for never.
        open_timeout: seconds for which it opens after these failures.
        reactivate_after: seconds of a deactivation; 0 for no deactivation at all.
    """

    failure_threshold: int = 4
    open_timeout: float = 60.0
    reactivate_after: float = 3600.0

    @classmethod
    def from_settings(cls, settings: Settings) -> HealthPolicy:
        """The policy that the configuration sets."""
        breaker = settings.circuit_breaker
        return cls(breaker.failure_threshold, breaker.open_timeout, settings.reactivate_after)

    @property
    def longest(self) -> float:
        """Seconds that an opening lasts at most after it was doubled."""
        return self.reactivate_after or LONGEST_COOLDOWN


@frozen
class HealthPermit:
    """Leave for one attempt.

    Attributes:
        opening: how many openings there had been when the attempt began.
        trial: the number of the trial that the attempt is; 0 for an attempt that is none.
    """

    opening: int
    trial: int = 0


@frozen
class Opening:
    """Why no attempt may be made: until a time, and then until a trial has succeeded.

    Attributes:
        until: the time.
        seconds: how long the opening lasted from its beginning to `until`.
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
        number: the `trial` of its permit.
        ends: when another trial may begin though this one has not ended.
    """

    number: int
    ends: float


@frozen
class HealthChange:
    """A change of state, for a line in the log.

    Attributes:
        seconds: for which it is open now; 0 if it is not open.
        news: False where an opening that was logged before lasts only a little longer. That happens when several
            requests that began together are refused one after another.
    """

    after: HealthState
    reason: str
    seconds: float
    news: bool = True
