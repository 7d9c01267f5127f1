"""The trail's steps for providers that were not asked, because of a cooldown or a deactivation."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

from clipal.failover.trail import Step
from clipal.providers.provider import Provider


def passed_over(
    providers: Iterable[Provider], answered: Provider, asked: Container[Provider], now: float, wall: Callable[[], float]
) -> list[Step]:
    """The steps of the providers that come before `answered`, were not asked, and are in cooldown.

    Parameters:
        providers: in order of priority.
        now: on the reactor's clock.
        wall: seconds since the epoch.
    """
    steps: list[Step] = []
    for each in providers:
        if each is answered:
            break
        if each not in asked and each.wait(now):
            steps.append(not_asked(each, now, wall))
    return steps


def not_asked(provider: Provider, now: float, wall: Callable[[], float]) -> Step:
    """The step of a provider that was not asked."""
    return Step(
        provider.name, provider.cooldown_reason(now) or "busy", None, *cooldown(provider, now, wall), asked=False
    )


def cooldown(provider: Provider, now: float, wall: Callable[[], float]) -> tuple[float | None, float | None]:
    """The seconds that a provider's cooldown lasts, and its end in seconds since the epoch; None without a cooldown."""
    wait = provider.wait(now)
    return (wait, wall() + wait) if wait else (None, None)
