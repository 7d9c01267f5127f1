"""Charges the attempts of one request to their providers.

An outcome is charged when it is known, with one exception: an attempt that found no connection waits until another
attempt of the request reaches its provider. If every provider of a request fails on the network, clipal's own network
is down, and no provider is charged.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from clipal.failover.attempt import Attempt
from clipal.outcomes.outcome import Outcome
from clipal.providers.selection import Purpose


@define(eq=False)
class Charges:
    """The charges of one request.

    Attributes:
        purpose: of the request; it says which outcomes are charged.
        now: the reactor's clock.
        reached: whether any provider could be reached.
        unreached: the attempts that found no connection; their permits have not ended.
    """

    purpose: Purpose
    now: Callable[[], float]
    reached: bool = False
    unreached: list[Attempt] = field(factory=list)

    def failed(self, attempt: Attempt, outcome: Outcome) -> None:
        """An attempt has ended, and its answer was not committed."""
        attempt.outcome = outcome
        self.reached = self.reached or not outcome.network
        if outcome.network and self.purpose.charges(outcome):
            self.unreached.append(attempt)
        else:
            self.settle(attempt, outcome)

    def settle(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """Ends the attempt's permit, and charges `outcome` if there is one and the request's purpose allows it."""
        if outcome is not None and self.purpose.charges(outcome):
            attempt.provider.settle(attempt.permit, outcome, self.now())
        else:
            self.release(attempt)

    def release(self, attempt: Attempt) -> None:
        """Ends the attempt's permit and charges nothing."""
        attempt.provider.release(attempt.permit, self.now())

    def settle_unreached(self) -> None:
        """Charges the attempts that found no connection, because another attempt has reached its provider."""
        unreached, self.unreached = self.unreached, []
        for attempt in unreached:
            self.settle(attempt, attempt.outcome)

    def release_unreached(self) -> None:
        """Ends the permits of attempts that are not charged: no attempt reached its provider."""
        for attempt in self.unreached:
            self.release(attempt)
