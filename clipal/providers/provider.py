"""One provider of a route, with its state: its own health, and that of each of its keys.

An outcome decides which of them it concerns. A key that is refused, exhausted or rate limited is in cooldown by itself,
and the next key is used. A provider that fails, or shows a challenge page, is in cooldown with all its keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from attrs import define
from twisted.logger import Logger

from clipal.config.duration import format_duration
from clipal.outcomes.outcome import Charge, Outcome
from clipal.providers.health import Health
from clipal.providers.health_state import HealthChange, HealthPermit, HealthPolicy, HealthState
from clipal.providers.tally import ProviderTally
from clipal.upstream.provider_agent import ProviderAgent


@define  # not frozen, because that doubles the cost of making one
class Permit:
    """Leave to ask one provider with one of its keys. `Provider.settle` or `Provider.release` ends it.

    Attributes:
        trial: whether the provider or the key is on trial with this attempt.
    """

    key: int
    provider_permit: HealthPermit
    key_permit: HealthPermit
    trial: bool = False


class Provider:
    """One provider.

    Attributes:
        unwell_at: when it last failed in any way; None for never.
        tally: what its attempts came to.
        on_change: told of each change of its own health (None) or of a key's (its number), if it is shared.
    """

    _log = Logger()

    def __init__(
        self, client: str, upstream: ProviderAgent, policy: HealthPolicy, tally: ProviderTally | None = None
    ) -> None:
        self.client = client
        self.upstream = upstream
        self.name = upstream.name
        self.health = Health(policy)
        self.keys = tuple(Health(policy) for _ in upstream.provider.api_keys or ("",))
        self.unwell_at: float | None = None
        self.on_change: Callable[[int | None], None] | None = None
        self.tally = ProviderTally() if tally is None else tally
        self._serves = _any_of(upstream.provider.serves)

    def adopt(self, policy: HealthPolicy, connect_timeout: float) -> None:
        """Takes other settings; its health stays."""
        self.upstream.set_connect_timeout(connect_timeout)
        for health in (self.health, *self.keys):
            health.policy = policy

    def health_of(self, key: int | None) -> Health:
        """Its own, or that of a key."""
        return self.health if key is None else self.keys[key]

    # Asking

    def serves(self, model: str) -> bool:
        """Whether it has the model that a client calls `model`."""
        return self._serves is None or self._serves.fullmatch(model) is not None

    def usable_key(self, now: float, tried: Collection[int] = ()) -> int | None:
        """The number of the first key that may be used and was not tried, or None."""
        for number, key in enumerate(self.keys):
            if number not in tried and key.usable(now):
                return number
        return None

    def usable(self, now: float) -> bool:
        """Whether it may be asked."""
        return self.health.usable(now) and self.usable_key(now) is not None

    def admit(self, now: float, tried: Collection[int] = (), *, force: bool = False) -> Permit | None:
        """Leave to ask it with a key that was not tried, if it may be asked.

        Parameters:
            force: whether to ask it though its own health does not allow it; its keys' health counts all the same.
        """
        first = self.keys[0]
        if self.health.opening is None and first.opening is None and not tried:  # so nearly always
            return Permit(0, self.health.permit, first.permit)
        key = self.usable_key(now, tried)
        if key is None or not (force or self.health.usable(now)):
            return None
        for_provider, for_key = self.health.begin(now), self.keys[key].begin(now)
        return Permit(key, for_provider, for_key, bool(for_provider.trial or for_key.trial))

    # What came of it

    def settle(self, permit: Permit, outcome: Outcome, now: float) -> None:
        """Ends an attempt: charges its outcome to the provider, or to the key, whichever it concerns."""
        provider, key = self.health, self.keys[permit.key]
        for_provider, for_key = permit.provider_permit, permit.key_permit
        charge, reason = outcome.charge, outcome.reason
        if charge is Charge.SUCCESS:
            # Where there is neither an opening nor a failure, a success changes nothing: that is so nearly always.
            if provider.opening is not None or provider.failures:
                self._changed(provider.succeeded(for_provider, now), now)
            if key.opening is not None or key.failures:
                self._changed(key.succeeded(for_key, now), now, permit.key)
            return
        if charge is not Charge.NEUTRAL:
            self.unwell_at = now
        if charge is Charge.FAILURE:
            self._changed(provider.failed(for_provider, now, reason), now)
            self._changed(key.trial_failed(for_key, now, reason), now, permit.key)
            if outcome.wait is not None:
                self._changed(provider.cool_down(for_provider, now, outcome.wait, reason), now)
        elif charge is Charge.DEACTIVATE:
            self._changed(key.deactivate(for_key, now, reason), now, permit.key)
        elif charge is Charge.COOLDOWN:
            concerned, its_permit = (key, for_key) if outcome.of_key else (provider, for_provider)
            number = permit.key if outcome.of_key else None
            self._changed(concerned.cool_down(its_permit, now, outcome.wait or 0.0, reason), now, number)
        if charge is not Charge.NEUTRAL and key.usable(now) and self.usable_key(now, range(permit.key + 1)) is None:
            # The key may still be used, and no further key can: if this was the provider's trial, the trial has failed.
            self._changed(provider.trial_failed(for_provider, now, reason), now)
        self.release(permit, now)

    def release(self, permit: Permit, now: float) -> None:
        """Ends an attempt without charging anything."""
        self.health.released(permit.provider_permit, now)
        self.keys[permit.key].released(permit.key_permit, now)

    def trial_answered(self, permit: Permit, now: float) -> None:
        """The answer to a trial has begun, so the trial is passed. The attempt goes on until the answer has ended."""
        self._changed(self.health.answered(permit.provider_permit, now), now)
        self._changed(self.keys[permit.key].answered(permit.key_permit, now), now, permit.key)

    # Its state, for others

    def wait(self, now: float) -> float:
        """Seconds until it may be asked again; 0 for now."""
        return self._holding(now).remaining(now)

    def state(self, now: float) -> HealthState:
        """Whether it may be asked, all of its keys considered."""
        if self.wait(now):
            return HealthState.OPEN
        on_trial = self.health.state(now) is not HealthState.CLOSED
        return (
            HealthState.HALF_OPEN
            if on_trial or all(key.state(now) is not HealthState.CLOSED for key in self.keys)
            else HealthState.CLOSED
        )

    def reason(self, now: float) -> str | None:
        """Why it may not be asked, or why it is half-open; None where it is closed."""
        state = self.state(now)
        if state is HealthState.CLOSED:
            return None
        return self.cooldown_reason(now) if state is HealthState.OPEN else self.health.reason or self.keys[0].reason

    def cooldown_reason(self, now: float) -> str:
        """Why it may not be asked for `wait` seconds; empty where that is 0."""
        holding = self._holding(now)
        return holding.reason if holding.remaining(now) else ""

    def _holding(self, now: float) -> Health:
        """The health that allows no attempt for longest: its own, or that of the key that may be used first."""
        key = min(self.keys, key=lambda each: each.remaining(now))
        return max(self.health, key, key=lambda each: each.remaining(now))

    def well_for(self, now: float) -> float:
        """Seconds since its last failure or the end of its last cooldown; infinite where it had neither."""
        ends = [end for health in (self.health, *self.keys) for end in (health.until, health.recovered)]
        known = [end for end in (self.unwell_at, *ends) if end is not None]
        return now - max(known) if known else float("inf")

    def look_after(self, now: float) -> None:
        """Logs when a cooldown or a deactivation is over, and closes idle connections; called periodically."""
        self._changed(self.health.tick(now), now)
        for number, key in enumerate(self.keys):
            self._changed(key.tick(now), now, number)
        self.upstream.close_idle()

    def _changed(self, change: HealthChange | None, now: float, key: int | None = None) -> None:
        """Logs a change of state in one line."""
        if change is None:
            return
        if self.on_change is not None and change.after is not HealthState.HALF_OPEN:
            self.on_change(key)
        if not change.news:
            return
        named = self.name if key is None or len(self.keys) == 1 else f"{self.name} (key {key + 1})"
        if change.after is HealthState.OPEN:
            seconds = format_duration(change.seconds)
            self._log.warn(
                "{client}: {provider} rests for {resting}: {reason}",
                client=self.client, provider=named, resting=seconds, reason=change.reason,
            )  # fmt: skip
        elif change.after is HealthState.HALF_OPEN:
            self._log.info("{client}: {provider} may be tried again", client=self.client, provider=named)
        else:
            self._log.info("{client}: {provider} answers again", client=self.client, provider=named)


def _any_of(patterns: Sequence[str]) -> re.Pattern[str] | None:
    """An expression for what matches any of `patterns`, where `*` stands for any text; None for no patterns."""
    if not patterns:
        return None
    return re.compile("|".join(".*".join(map(re.escape, each.split("*"))) for each in patterns), re.DOTALL)
