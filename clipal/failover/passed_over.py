"""Who was not asked, because of a cooldown or a deactivation: for the trail."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

from clipal.failover.trail import Step
from clipal.providers.provider import Provider


def passed_over(
    providers: Iterable[Provider], answered: Provider, asked: Container[Provider], now: float, wall: Callable[[], float]
) -> list[Step]:
    """Those of `providers`, which are in order, that stand before the one that answered, were not asked, and rest.

    Parameters:
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
    """The step of one that may not be asked now; parameters as above."""
    return Step(provider.name, provider.cooldown_reason(now) or "busy", None, *rest(provider, now, wall), asked=False)


def rest(provider: Provider, now: float, wall: Callable[[], float]) -> tuple[float | None, float | None]:
    """For how many seconds one rests, and until when in seconds since the epoch; None where it does not."""
    wait = provider.wait(now)
    return (wait, wall() + wait) if wait else (None, None)
