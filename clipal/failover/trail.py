"""The trail of one request: which providers were asked, what came of it, and how it ended, in an operator's words."""

from __future__ import annotations

from enum import Enum

from attrs import define, field, frozen

from clipal.config.duration import format_duration


@frozen
class Step:
    """One provider that did not answer.

    Attributes:
        status: of its answer; None where it gave none, and for one that was not asked.
        resting: seconds for which it rests now; None where it does not.
    """

    provider: str
    reason: str
    status: int | None = None
    resting: float | None = None

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
    """

    attempts: int = 0
    steps: list[Step] = field(factory=list)

    def in_brackets(self) -> str:
        """For the end of a log line: empty, or ` (primary: 429 rate limit, resting 37s)`."""
        return f" ({self})" if self.steps else ""

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
