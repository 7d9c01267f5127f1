"""One client's providers with their state. A change of the client's file makes a new route.

A request in flight keeps the route that it began with. What changes while clipal runs is all here: the health of each
provider and of each of its keys, the cursors, and the tables of sessions and answers. Times are seconds of a monotonic
clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.logger import Logger

from clipal.config.model import ClientConfig, Mode
from clipal.dialects.dialect import Dialect
from clipal.providers.affinity import AffinityTable
from clipal.providers.provider import Provider
from clipal.providers.tally import ClientTally


class Route:
    """The providers of one client.

    Parameters:
        providers: the enabled ones, by priority; ties in file order.

    Attributes:
        manual: whether one provider is pinned, and its answers are relayed whatever they say.
        concerns_models: whether it makes a difference which model a request names.
        cursor: the provider that answered last; it is asked first.
        token_cursor: the same for requests that count tokens, where they have a cursor of their own.
        sessions: the provider that answered an agent session last.
        answers: the provider that made an answer on which a later request may build.
        tally: what its requests came to.
        latest: a list of the provider that answered last, for any model; empty at first. All parts share it.
        on_change: told of a change of a cursor or a session: which of them, the providers of the part, the session, and
            the provider that answered; None where this process is alone.
    """

    _log = Logger()

    def __init__(
        self,
        dialect: Dialect,
        config: ClientConfig,
        providers: Sequence[Provider],
        tally: ClientTally | None = None,
    ) -> None:
        self.dialect = dialect
        self.config = config
        self.manual = config.mode is Mode.MANUAL
        self.providers = tuple(providers)
        self.concerns_models = any(provider.upstream.provider.concerns_models for provider in self.providers)
        self._parts: dict[tuple[Provider, ...], Route] = {}
        self.cursor: Provider | None = None
        self.token_cursor: Provider | None = None
        self.latest: list[Provider] = []
        self.sessions: AffinityTable[Provider] = AffinityTable()
        self.answers: AffinityTable[Provider] = AffinityTable()
        self.tally = ClientTally() if tally is None else tally
        self.on_change: Callable[[str, Sequence[Provider], str, Provider], None] | None = None

    def serving(self, model: str) -> Route:
        """The route of a request that names `model`: this one, or the part of it that has the model.

        A part has the same providers with the same health, and a cursor and sessions of its own: which provider is
        preferred for one model says nothing about another model. All parts share the table of answers.
        """
        return self.part(tuple(provider for provider in self.providers if provider.serves(model)))

    def part(self, providers: tuple[Provider, ...]) -> Route:
        """The part of it that has these providers, which may be all of them."""
        if len(providers) == len(self.providers):
            return self
        if providers not in self._parts:
            part = self._parts[providers] = Route(self.dialect, self.config, providers, self.tally)
            part.answers, part.latest, part.on_change = self.answers, self.latest, self.on_change
        return self._parts[providers]

    def bind(self, session: bytes, provider: Provider, now: float) -> None:
        """`provider` answered an agent session."""
        if self.sessions.put(session, provider, now) and self.on_change is not None:
            self.on_change("session", self.providers, session.decode("latin-1"), provider)

    def adopt(self, kind: str, session: str, provider: Provider, now: float) -> None:
        """Takes over what another worker tells of a cursor or of a session."""
        if kind == "session":
            self.sessions.put(session.encode("latin-1"), provider, now)
        elif kind == "cursor":
            self.cursor = provider
            self.latest[:] = [provider]
        elif kind == "token cursor":
            self.token_cursor = provider

    def prefer_for_tokens(self, provider: Provider) -> None:
        """`provider` answered a request that counts tokens, which has a cursor of its own."""
        before, self.token_cursor = self.token_cursor, provider
        if before is not provider and self.on_change is not None:
            self.on_change("token cursor", self.providers, "", provider)

    def prefer(self, provider: Provider, session: bytes | None, now: float) -> None:
        """`provider` answered last; logs it where another provider answered before.

        Within a session, "before" means in the same session: two sessions that have two providers switch nothing.
        """
        bound = None if session is None else self.sessions.get(session, now)
        before = bound or self.cursor or self.providers[0]
        moved, self.cursor = self.cursor is not provider, provider
        self.latest[:] = [provider]
        if moved and self.on_change is not None:
            self.on_change("cursor", self.providers, "", provider)
        if before is not provider:
            self._log.info(
                "{client}: {provider} answers now, in place of {before}",
                client=self.dialect.prefix,
                provider=provider.name,
                before=before.name,
                switched=True,
            )

    @property
    def preferred(self) -> Provider | None:
        """The provider that answered last; at first, the one that will be asked first."""
        return next(iter((*self.latest, *self.providers)), None)

    def close(self) -> None:
        """Closes the idle connections to its providers; those in use are closed when their requests end."""
        for provider in self.providers:
            provider.upstream.close()
