"""One provider with its keys: which of them an outcome concerns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from clipal.outcomes.outcome import RATE_LIMIT, Action, Charge, Outcome
from clipal.providers.health_state import HealthPolicy, HealthState
from clipal.providers.provider import Provider

POLICY = HealthPolicy(failure_threshold=3, open_timeout=60.0, reactivate_after=600.0)
LIMITED = Outcome(Action.NEXT, Charge.COOLDOWN, reason=RATE_LIMIT, wait=30.0, of_key=True)
ANSWERED = Outcome(Action.RELAY, Charge.SUCCESS, status=200)


def provider() -> Provider:
    """One with two keys."""
    upstream = SimpleNamespace(name="one", provider=SimpleNamespace(api_keys=("k1", "k2"), serves=()))
    return Provider("claudecode", cast("Any", upstream), POLICY)


def test_a_trial_that_succeeds_closes_the_key_that_was_in_a_cooldown() -> None:
    one = provider()
    permit = one.admit(0.0)
    assert permit is not None
    one.settle(permit, LIMITED, 0.0)
    assert [key.state(1.0) for key in one.keys] == [HealthState.OPEN, HealthState.CLOSED]
    trial = one.admit(31.0)
    assert trial is not None
    assert (trial.key, trial.trial) == (0, True)
    one.settle(trial, ANSWERED, 31.0)
    assert one.keys[0].opening is None
    assert one.keys[0].state(31.0) is HealthState.CLOSED
