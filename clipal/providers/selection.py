"""The order in which the providers of a route are asked.

By priority, beginning with the preferred one and wrapping round. Preferred is, in this order: who made the answer
that the request builds on; who answered its agent session last, where the prompt cache is warm; a better provider
that has been well again for long enough, for those who may go back to it; and who answered last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from clipal.config.model import Affinity, FailBack, Settings
from clipal.outcomes.outcome import Charge, Outcome
from clipal.providers.provider import Provider
from clipal.providers.route import Route
from clipal.upstream.request import UpstreamRequest

_REFUSED: Final = frozenset([401, 402, 403])


@frozen
class Purpose:
    """What a request is to the route.

    Attributes:
        counts_tokens: whether it only counts tokens.
        own_cursor: whether it has a cursor of its own, and moves no other.
        probe: whether it says nothing about a provider's health (HEAD).
        looks: whether it says nothing but that a key is refused (GET).
        session: its agent session, or None.
        builds_on: the earlier answer that it builds on, or None.
    """

    counts_tokens: bool
    own_cursor: bool
    probe: bool
    looks: bool
    session: bytes | None
    builds_on: bytes | None

    def charges(self, outcome: Outcome) -> bool:
        """Whether the provider's health learns of `outcome`."""
        if self.probe:
            return False
        refused = outcome.charge is Charge.DEACTIVATE
        if self.looks:
            return refused and outcome.status in _REFUSED
        return refused or outcome.charge is Charge.SUCCESS or not self.counts_tokens

    @property
    def moves(self) -> bool:
        """Whether the provider that answers is preferred from then on."""
        return not (self.probe or self.looks)


def purpose_of(call: UpstreamRequest, route: Route, settings: Settings) -> Purpose:
    """Looks at a request once, for all of its attempts."""
    dialect = route.dialect
    counts_tokens = dialect.counts_tokens(call.path)
    by_session = settings.affinity is Affinity.SESSION
    return Purpose(
        counts_tokens=counts_tokens,
        own_cursor=counts_tokens and settings.ignore_count_tokens_failover,
        probe=call.method == b"HEAD" or dialect.is_probe(call.path),
        looks=call.method == b"GET" and not call.opens_websocket,
        session=dialect.session(call.head.table) if by_session else None,
        builds_on=dialect.previous_answer(call.body.whole) if dialect.builds_on_answers else None,
    )


def candidates(route: Route, purpose: Purpose, settings: Settings, now: float) -> Sequence[Provider]:
    """All providers in the order in which they are to be asked, usable or not."""
    providers = route.providers
    preferred = _preferred(route, purpose, settings, now)
    if preferred is None or preferred not in providers:
        return providers
    first = providers.index(preferred)
    return providers[first:] + providers[:first]


def last_resort(providers: Sequence[Provider], now: float) -> Provider | None:
    """The provider to be asked though its circuit breaker holds it, because all are held for that reason alone.

    One that is on trial counts too: with nobody else to go past it to, others need not wait for the trial's end.
    """
    broken = [each for each in providers if each.health.held_by_breaker(now) and each.usable_key(now) is not None]
    if len(broken) < len(providers):
        return None
    return min(broken, key=lambda each: each.health.remaining(now), default=None)


def can_answer(route: Route, now: float) -> bool:
    """Whether a request would be sent to some provider now, or to one whose trial is under way."""
    if route.manual:
        return any(each.usable_key(now) is not None for each in route.providers)
    return any(not each.wait(now) for each in route.providers) or last_resort(route.providers, now) is not None


def succeeded(route: Route, purpose: Purpose, provider: Provider, now: float) -> None:
    """`provider` answered: it is preferred from now on."""
    if not purpose.moves:
        return
    if purpose.own_cursor:
        route.token_cursor = provider
        return
    route.prefer(provider, purpose.session, now)
    if not purpose.counts_tokens:
        route.sessions.put(purpose.session, provider, now)


def _preferred(route: Route, purpose: Purpose, settings: Settings, now: float) -> Provider | None:
    if purpose.own_cursor:
        return route.token_cursor or route.cursor
    maker = route.answers.get(purpose.builds_on, now)
    if maker is not None:
        return maker  # nobody else knows that answer
    bound = route.sessions.get(purpose.session, now)
    if settings.failback is not FailBack.ALWAYS and bound is not None:
        return bound
    nobody_new = purpose.session is None and settings.failback is FailBack.NEW_SESSIONS
    if settings.failback is FailBack.NEVER or nobody_new:
        return route.cursor
    current = bound or route.cursor
    return _better(route, current, settings.failback_after, now) or current


def _better(route: Route, current: Provider | None, well_for: float, now: float) -> Provider | None:
    """The first provider of a higher priority than `current` that has been well for so many seconds."""
    for provider in route.providers:
        if provider is current or current is None:
            return None
        if provider.upstream.provider.priority >= current.upstream.provider.priority:
            return None
        if provider.usable(now) and provider.well_for(now) >= well_for:
            return provider
    return None
