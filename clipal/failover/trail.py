"""The trail of one request: which providers were asked, and what came of it, in an operator's words."""

from __future__ import annotations

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
