"""Counts of requests and attempts, by client and by provider. They outlive a reload of the configuration.

Nothing is computed here: `clipal.status` does that when it is asked for a report. A request costs a few additions, an
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
"""How many times to the first byte are kept one by one, for their quantiles."""
ANSWERED: Final = "answered"
"""The outcome of an attempt that gave the client a whole answer."""
DISCONNECTED: Final = "client disconnected"
"""The outcome of an attempt that ended because the client disconnected."""
BUG: Final = "bug in clipal"
"""The outcome of an attempt that clipal itself could not finish."""
DISCONNECTED_STATUS: Final = 0
"""Stands for the status where the client disconnected before the end of its answer."""
REASONS: Final = 64
"""How many outcomes, and how many reasons, are counted apart for one provider."""
OTHER: Final = "other"
"""Counts all further ones together."""
TOKENS: Final = ("input", "cached_input", "output")
"""The kinds of tokens that an answer says it cost."""


@define(eq=False)
class Histogram:
    """A histogram of times.

    Attributes:
        counts: how many times fell into each bucket by itself; one bucket more than there are bounds.
        total: the sum of all times in seconds.
    """

    counts: list[int] = field(factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        """Counts one time."""
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
    """The counts of one provider's attempts.

    Attributes:
        attempts: how many began.
        outcomes: how many ended, by `ANSWERED`, `DISCONNECTED`, `BUG`, or the reason of a failure.
        failovers: how many requests went on to another provider, by the reason.
        open_requests: attempts and answers under way.
        first_byte: seconds from the beginning of an attempt until its answer was committed.
        recent: the last of these times.
        tokens: the tokens that answers said they cost, by kind.
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
        """An attempt has begun."""
        self.attempts += 1
        self.open_requests += 1

    def handed_on(self, seconds: float) -> None:
        """An answer is committed, so many seconds after its attempt began."""
        self.first_byte.observe(seconds)
        self.recent.append(seconds)

    def spent(self, tokens: TokenCounts) -> None:
        """An answer has said what it cost."""
        counts = self.tokens
        counts["input"] += tokens.input
        counts["cached_input"] += tokens.cached_input
        counts["output"] += tokens.output

    def ended(self, outcome: str) -> None:
        """An attempt has ended, and the provider has not failed."""
        self.open_requests -= 1
        if outcome in self.outcomes:
            self.outcomes[outcome] += 1
        else:
            _count(self.outcomes, outcome)

    def failed(self, reason: str, status: int | None, at: float) -> None:
        """An attempt has ended because the provider failed."""
        self.ended(reason)
        self.last_failure = LastFailure(reason, status, at)

    def failed_over(self, reason: str) -> None:
        """Another provider is asked after a failure for this reason."""
        _count(self.failovers, reason)


@define(eq=False)
class ClientTally:
    """The counts of one client's requests.

    Attributes:
        requests: how many began.
        statuses: how many ended, by the answer's status; `DISCONNECTED_STATUS` where the client disconnected.
        unanswered: how many got no provider's answer.
        duration: seconds from a request's head to the end of its answer.
        request_bytes: of bodies, and through WebSockets.
        by_token: `statuses` by the name of the client's token.
        providers: by name; those that are no longer configured stay.
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
        """The tally of the provider of this name, which it keeps when the configuration is reloaded."""
        if name not in self.providers:
            self.providers[name] = ProviderTally()
        return self.providers[name]

    def began(self) -> None:
        """A request has begun."""
        self.requests += 1
        self.open_requests += 1

    def ended(self, status: int, seconds: float, received: int, sent: int, token: str | None = None) -> None:
        """A request has ended.

        Parameters:
            status: the status that was sent.
            received: bytes of the request's body.
            sent: bytes of the answer's body.
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
