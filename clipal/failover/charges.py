"""Charges the attempts of one request to their providers.

An outcome is charged when it is known, with one exception: an attempt that found no connection waits until another
attempt of the request reaches its provider. If every provider of a request fails on the network, clipal's own network
is down, and no provider is charged.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from clipal.outcomes.outcome import Outcome
from clipal.providers.provider import Permit, Provider
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
    unreached: list[tuple[Provider, Permit, Outcome]] = field(factory=list)

    def failed(self, provider: Provider, permit: Permit, outcome: Outcome) -> None:
        """An attempt has ended, and its answer was not committed."""
        self.reached = self.reached or not outcome.network
        if outcome.network and self.purpose.charges(outcome):
            self.unreached.append((provider, permit, outcome))
        else:
            self.settle(provider, permit, outcome)

    def settle(self, provider: Provider, permit: Permit, outcome: Outcome | None) -> None:
        """Ends `permit`, and charges `outcome` if there is one and the request's purpose allows it."""
        if outcome is not None and self.purpose.charges(outcome):
            provider.settle(permit, outcome, self.now())
        else:
            provider.release(permit, self.now())

    def settle_unreached(self) -> None:
        """Charges the attempts that found no connection, because another attempt has reached its provider."""
        unreached, self.unreached = self.unreached, []
        for provider, permit, outcome in unreached:
            self.settle(provider, permit, outcome)

    def release_unreached(self) -> None:
        """Ends the permits of attempts that are not charged: no attempt reached its provider."""
        for provider, permit, _ in self.unreached:
            provider.release(permit, self.now())
