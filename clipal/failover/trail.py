"""The trail of one request: which providers were asked, and with what outcome, in an operator's words."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from attrs import define, field, frozen

from clipal.config.duration import clock_time, format_duration
from clipal.providers.provider import Provider


@frozen
class Step:
    """One provider that did not answer.

    Attributes:
        status: of its answer; None where it gave none or was not asked.
        cooldown: seconds of the cooldown that it is in now; None without a cooldown.
        until: when the cooldown ends, in seconds since the epoch.
        asked: False for a provider that was passed over.
        warns: whether the operator should look: a TLS failure, or a timeout.
    """

    provider: str
    reason: str
    status: int | None = None
    cooldown: float | None = None
    until: float | None = None
    asked: bool = True
    warns: bool = False

    def in_log(self) -> str:
        """For an operator, who has a clock: tells until when a provider that was not asked is in cooldown."""
        if self.asked or self.until is None:
            return str(self)
        return (
            f"{self.provider} rests until {clock_time(self.until, self.until - (self.cooldown or 0.0))}: {self.reason}"
        )

    def plain(self) -> dict[str, Any]:
        """The values for a log in JSON."""
        until = None if self.until is None else datetime.fromtimestamp(self.until, timezone.utc)
        return {
            "provider": self.provider,
            "asked": self.asked,
            "status": self.status,
            "reason": self.reason,
            "rests_seconds": None if self.cooldown is None else round(self.cooldown, 3),
            "until": None if until is None else until.isoformat(timespec="milliseconds"),
        }

    def __str__(self) -> str:
        status = "" if self.status is None else f"{self.status} "
        cooldown = "" if self.cooldown is None else f", resting {format_duration(self.cooldown)}"
        return f"{self.provider}: {status}{self.reason}{cooldown}"


@define
class Trail:
    """Grows with each attempt that failed.

    Attributes:
        attempts: how many times the request was sent to a provider, the one that answered included. A request that met
            a stale connection is sent twice.
        steps: the providers that did not answer.
        passed_over: the providers that would have been asked before the one that answered, but are in cooldown.
        pinned: whether only one provider is asked, whatever it answers, because the configuration says so.
    """

    attempts: int = 0
    steps: list[Step] = field(factory=list)
    passed_over: list[Step] = field(factory=list)
    pinned: bool = False

    @property
    def warns(self) -> bool:
        """Whether the operator should look at one of the attempts."""
        return any(step.warns for step in self.steps)

    def in_brackets(self) -> str:
        """The end of a log line: empty, or ` (primary: 429 rate limit, resting 37s)`."""
        if not (self.steps or self.passed_over or self.pinned):
            return ""
        parts = [step.in_log() for step in (*self.passed_over, *self.steps)]
        return f" ({'; '.join(['pinned', *parts] if self.pinned else parts)})"

    def plain(self) -> list[dict[str, Any]]:
        """The values for a log in JSON."""
        return [step.plain() for step in (*self.passed_over, *self.steps)]

    def __str__(self) -> str:
        return "; ".join(map(str, self.steps))


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


class Ending(Enum):
    """How a committed answer ended, in an operator's words."""

    WHOLE = "whole"
    CLIENT_DISCONNECTED = "client left"
    CUT = "provider broke off"
    SILENT = "provider fell silent"

    @property
    def blamed(self) -> bool:
        """Whether the provider broke it off."""
        return self in (Ending.CUT, Ending.SILENT)


@frozen
class Unanswered:
    """No provider could answer.

    Attributes:
        rate_limited: whether a rate limit is the reason of every provider.
        wait: seconds until a provider may be asked again; None where that is now, or unknown.
        message: for the client's user.
    """

    rate_limited: bool
    wait: float | None
    message: str
