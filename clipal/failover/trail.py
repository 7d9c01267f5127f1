"""The trail of one request: which providers were asked, what came of it, and how it ended, in an operator's words."""

from __future__ import annotations

from datetime import datetime, timezone
from enum import Enum
from typing import Any

from attrs import define, field, frozen

from clipal.config.duration import clock_time, format_duration


@frozen
class Step:
    """One provider that did not answer.

    Attributes:
        status: of its answer; None where it gave none, and for one that was not asked.
        resting: seconds for which it rests now; None where it does not.
        until: when that ends, in seconds since the epoch.
        asked: False for one that was passed over.
        warns: whether the operator should look: a TLS failure, or a timeout.
    """

    provider: str
    reason: str
    status: int | None = None
    resting: float | None = None
    until: float | None = None
    asked: bool = True
    warns: bool = False

    def in_log(self) -> str:
        """For an operator, who has a clock: until when one rests that was not asked."""
        if self.asked or self.until is None:
            return str(self)
        return (
            f"{self.provider} rests until {clock_time(self.until, self.until - (self.resting or 0.0))}: {self.reason}"
        )

    def plain(self) -> dict[str, Any]:
        """For a log in JSON."""
        until = None if self.until is None else datetime.fromtimestamp(self.until, timezone.utc)
        return {
            "provider": self.provider,
            "asked": self.asked,
            "status": self.status,
            "reason": self.reason,
            "rests_seconds": None if self.resting is None else round(self.resting, 3),
            "until": None if until is None else until.isoformat(timespec="milliseconds"),
        }

    def __str__(self) -> str:
        status = "" if self.status is None else f"{self.status} "
        resting = "" if self.resting is None else f", resting {format_duration(self.resting)}"
        return f"{self.provider}: {status}{self.reason}{resting}"


@define
class Trail:
    """Grows with each attempt that failed.

    Attributes:
        attempts: how many times the request was sent to a provider, the one that answered included; twice to one
            whose connection was stale.
        steps: the providers that did not answer.
        passed_over: those that would have been asked before the one that answered, but rest.
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
        """For the end of a log line: empty, or ` (primary: 429 rate limit, resting 37s)`."""
        if not (self.steps or self.passed_over or self.pinned):
            return ""
        parts = [step.in_log() for step in (*self.passed_over, *self.steps)]
        return f" ({'; '.join(['pinned', *parts] if self.pinned else parts)})"

    def plain(self) -> list[dict[str, Any]]:
        """For a log in JSON."""
        return [step.plain() for step in (*self.passed_over, *self.steps)]

    def __str__(self) -> str:
        return "; ".join(map(str, self.steps))


class Ending(Enum):
    """How a committed answer ended, in an operator's words: who broke it off."""

    WHOLE = "whole"
    CLIENT_GONE = "client left"
    CUT = "provider broke off"
    SILENT = "provider fell silent"

    @property
    def whole(self) -> bool:
        """With all its bytes."""
        return self is Ending.WHOLE

    @property
    def blamed(self) -> bool:
        """Broken off by the provider."""
        return self in (Ending.CUT, Ending.SILENT)


@frozen
class Unanswered:
    """Nobody could answer.

    Attributes:
        rate_limited: whether a rate limit is all that is in the way.
        wait: seconds until a provider may be asked again; None where that is now, or unknown.
        message: for the client's user.
    """

    rate_limited: bool
    wait: float | None
    message: str
