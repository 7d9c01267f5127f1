"""What the routes count of their requests, in plain objects that outlive a reload of the configuration.

Nothing is worked out here: `clipal.status` reads these when somebody asks. Each request costs a few additions, and an
event of a stream none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import Final

from attrs import define, field, frozen

from clipal.dialects.token_counts import TokenCounts

BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1200)
"""Upper bounds in seconds of a histogram's buckets; the last bucket, of longer times, has none."""
RECENT: Final = 256
"""Times to first byte that are kept one by one, for their quantiles."""
ANSWERED: Final = "answered"
"""The outcome of an attempt whose answer the client got to its end."""
DISCONNECTED: Final = "client disconnected"
"""The outcome of an attempt that the client did not wait for, or whose answer it broke off."""
BUG: Final = "bug in clipal"
"""The outcome of an attempt that clipal itself could not finish."""
DISCONNECTED_STATUS: Final = 0
"""Stands for the status of an answer whose client disconnected before its end."""
REASONS: Final = 64
"""Outcomes, and reasons, that are told apart for one provider; the words are clipal's own, and fewer than these."""
OTHER: Final = "other"
TOKENS: Final = ("input", "cached_input", "output")
"""The kinds of tokens that an answer says it cost."""


@define(eq=False)
class Histogram:
    """How many times were how long.

    Attributes:
        counts: of each bucket by itself, one more than there are bounds.
        total: seconds of all of them together.
    """

    counts: list[int] = field(factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


@frozen
class LastFailure:
    """The last attempt that failed.

    Attributes:
        status: of the answer; None without one.
        at: seconds since the epoch.
    """

    reason: str
    status: int | None
    at: float


@define(eq=False)
class ProviderTally:
    """What one provider's attempts came to.

    Attributes:
        attempts: how many began.
        outcomes: how many ended so: `ANSWERED`, `DISCONNECTED`, `BUG`, or the reason of a failure.
        failovers: how many requests went on to another provider, by the reason.
        open_requests: attempts and answers under way.
        first_byte: seconds from the beginning of an attempt until its answer was handed on to the client.
        recent: the last ones of these.
        tokens: those that answers said they cost, by their kind.
    """

    attempts: int = 0
    outcomes: dict[str, int] = field(factory=dict)
    failovers: dict[str, int] = field(factory=dict)
    last_failure: LastFailure | None = None
    open_requests: int = 0
    first_byte: Histogram = field(factory=Histogram)
    recent: deque[float] = field(factory=lambda: deque(maxlen=RECENT))
    tokens: dict[str, int] = field(factory=lambda: dict.fromkeys(TOKENS, 0))

    def began(self) -> None:
        """An attempt."""
        self.attempts += 1
        self.open_requests += 1

    def handed_on(self, seconds: float) -> None:
        """An answer is on its way to the client, so many seconds after its attempt began."""
        self.first_byte.observe(seconds)
        self.recent.append(seconds)

    def spent(self, tokens: TokenCounts) -> None:
        """An answer has said what it cost."""
        for kind in TOKENS:
            self.tokens[kind] += getattr(tokens, kind)

    def ended(self, outcome: str) -> None:
        """An attempt, which said nothing against the provider."""
        self.open_requests -= 1
        _count(self.outcomes, outcome)

    def failed(self, reason: str, status: int | None, at: float) -> None:
        """An attempt has ended badly."""
        self.ended(reason)
        self.last_failure = LastFailure(reason, status, at)

    def failed_over(self, reason: str) -> None:
        """After that failure another provider was asked."""
        _count(self.failovers, reason)


@define(eq=False)
class ClientTally:
    """What one client's requests came to.

    Attributes:
        requests: how many began.
        statuses: how many were answered so; `DISCONNECTED_STATUS` where the client disconnected.
        unanswered: how many no provider could answer.
        duration: seconds from a request's head to the end of its answer.
        request_bytes: of bodies, and through WebSockets.
        by_token: how many had which status, by the name of the client's token.
        providers: by their names; those that are no longer configured stay.
    """

    requests: int = 0
    statuses: dict[int, int] = field(factory=dict)
    unanswered: int = 0
    open_requests: int = 0
    duration: Histogram = field(factory=Histogram)
    request_bytes: int = 0
    response_bytes: int = 0
    by_token: dict[str, dict[int, int]] = field(factory=dict)
    providers: dict[str, ProviderTally] = field(factory=dict)

    def provider(self, name: str) -> ProviderTally:
        """That of the provider of this name, which keeps it when it is configured anew."""
        if name not in self.providers:
            self.providers[name] = ProviderTally()
        return self.providers[name]

    def began(self) -> None:
        """A request."""
        self.requests += 1
        self.open_requests += 1

    def ended(self, status: int, seconds: float, received: int, sent: int, token: str | None = None) -> None:
        """A request.

        Parameters:
            status: as it was sent.
            received: bytes of its body.
            sent: bytes of the answer's.
            token: the name of the client's token; None for a request without one.
        """
        self.open_requests -= 1
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.duration.observe(seconds)
        self.request_bytes += received
        self.response_bytes += sent
        if token is not None:
            statuses = self.by_token.setdefault(token, {})
            statuses[status] = statuses.get(status, 0) + 1


def _count(table: dict[str, int], name: str) -> None:
    if name not in table and len(table) >= REASONS:
        name = OTHER
    table[name] = table.get(name, 0) + 1
