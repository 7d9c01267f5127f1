"""The order in which the providers of a route are asked.

They are asked by priority, beginning with the preferred provider and wrapping round. The preferred provider is the
first of these that exists:

1. the provider that made the answer on which the request builds;
2. the provider that answered the agent session last, because its prompt cache is warm;
3. a provider of a higher priority that has been well for long enough, where fail-back allows it;
4. the provider that answered last.

With `failback: always`, 3 comes before 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

from attrs import define

from clipal.config.settings import Affinity, FailBack, Settings
from clipal.outcomes.outcome import Charge, Outcome
from clipal.providers.provider import Provider
from clipal.providers.route import Route
from clipal.upstream.request import UpstreamRequest

_REFUSED: Final = frozenset([401, 402, 403])


class Kind(Enum):
    """What a request is for."""

    ANSWER = "answer"
    """A model's answer: all of its outcomes are charged."""
    TOKENS = "tokens"
    """To count tokens: a failure is not charged, because many providers do not count."""
    LOOK = "look"
    """To read something (GET): only a key that is refused is charged."""
    PROBE = "probe"
    """To test whether a server is there (HEAD): nothing is charged."""


@define(eq=False)  # not frozen, because that doubles the cost of making one
class Purpose:
    """What a request is for, as far as that decides which provider is asked and what it is charged.

    Attributes:
        own_cursor: whether it has a cursor of its own, and moves no other.
        session: its agent session, or None.
        builds_on: the earlier answer on which it builds, or None.
    """

    kind: Kind
    own_cursor: bool
    session: bytes | None
    builds_on: bytes | None

    def charges(self, outcome: Outcome) -> bool:
        """Whether `outcome` is charged to the provider's health."""
        kind = self.kind
        if kind is Kind.ANSWER or kind is Kind.PROBE:
            return kind is Kind.ANSWER
        refused = outcome.charge is Charge.DEACTIVATE
        if kind is Kind.LOOK:
            return refused and outcome.status in _REFUSED
        return refused or outcome.charge is Charge.SUCCESS


def purpose_of(request: UpstreamRequest, route: Route, settings: Settings) -> Purpose:
    """The purpose of a request, for all of its attempts."""
    dialect, method = route.dialect, request.head.method
    kind, counts_tokens = Kind.ANSWER, dialect.counts_tokens(request.path)
    if method == b"HEAD" or dialect.is_probe(request.path):
        kind = Kind.PROBE
    elif method == b"GET" and not request.opens_websocket:
        kind = Kind.LOOK
    elif counts_tokens:
        kind = Kind.TOKENS
    return Purpose(
        kind,
        own_cursor=counts_tokens and settings.ignore_count_tokens_failover,
        session=dialect.session(request.head.table) if settings.affinity is Affinity.SESSION else None,
        builds_on=dialect.previous_answer(request.body.whole) if dialect.builds_on_answers else None,
    )


def candidates(route: Route, purpose: Purpose, settings: Settings, now: float) -> Sequence[Provider]:
    """All providers in the order in which they are to be asked, usable or not."""
    providers = route.providers
    preferred = _preferred(route, purpose, settings, now)
    if preferred is None or preferred is providers[0] or preferred not in providers:
        return providers
    first = providers.index(preferred)
    return providers[first:] + providers[:first]


def last_resort(providers: Sequence[Provider], now: float) -> Provider | None:
    """The provider that is asked though failures in a row have opened it, because they have opened all providers.

    It is the one that may be asked first. A provider with a trial in flight counts too: no other provider can be
    asked, so a request does not wait for the trial's end.
    """
    opened = [each for each in providers if each.health.held_by_breaker(now) and each.usable_key(now) is not None]
    if len(opened) < len(providers):
        return None
    return min(opened, key=lambda each: each.health.remaining(now), default=None)


def can_answer(route: Route, now: float) -> bool:
    """Whether some provider may be asked now, or waits only for the end of its trial."""
    if route.manual:
        return any(each.usable_key(now) is not None for each in route.providers)
    return any(not each.wait(now) for each in route.providers) or last_resort(route.providers, now) is not None


def succeeded(route: Route, purpose: Purpose, provider: Provider, now: float) -> None:
    """`provider` answered: it is preferred from now on."""
    kind = purpose.kind
    if kind is Kind.LOOK or kind is Kind.PROBE:
        return
    if purpose.own_cursor:
        route.prefer_for_tokens(provider)
        return
    session = purpose.session
    if session is None and provider is route.cursor and provider in route.latest:
        return  # it was preferred before, and there is no session to remember
    route.prefer(provider, session, now)
    if session is not None and kind is Kind.ANSWER:
        route.bind(session, provider, now)


def _preferred(route: Route, purpose: Purpose, settings: Settings, now: float) -> Provider | None:
    if purpose.own_cursor:
        return route.token_cursor or route.cursor
    maker = None if purpose.builds_on is None else route.answers.get(purpose.builds_on, now)
    if maker is not None:
        return maker  # no other provider has that answer
    bound = None if purpose.session is None else route.sessions.get(purpose.session, now)
    if settings.failback is not FailBack.ALWAYS and bound is not None:
        return bound
    no_new_session = purpose.session is None and settings.failback is FailBack.NEW_SESSIONS
    if settings.failback is FailBack.NEVER or no_new_session:
        return route.cursor
    current = bound or route.cursor
    return _better(route, current, settings.failback_after, now) or current


def _better(route: Route, current: Provider | None, well_for: float, now: float) -> Provider | None:
    """The first provider of a higher priority than `current` that has been well for `well_for` seconds."""
    for provider in route.providers:
        if provider is current or current is None:
            return None
        if provider.upstream.provider.priority >= current.upstream.provider.priority:
            return None
        if provider.usable(now) and provider.well_for(now) >= well_for:
            return provider
    return None
