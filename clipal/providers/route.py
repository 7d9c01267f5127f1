"""One client's providers with their state; made anew when the client's file is saved, and kept by requests in flight.

What changes while clipal runs is all here: the health of each provider and of each of its keys, the cursors, and the
tables of sessions and answers. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.logger import Logger

from clipal.config.model import ClientConfig, Mode
from clipal.dialects.dialect import Dialect
from clipal.providers.affinity import AffinityTable
from clipal.providers.provider import Provider
from clipal.providers.tally import ClientTally


class Route:
    """The providers of one client.

    Parameters:
        members: the enabled ones, by priority; ties in file order.

    Attributes:
        concerns_models: whether it makes a difference which model a request names.
        cursor: the member that answered last; it is asked first.
        token_cursor: the same for requests that count tokens, where they have a cursor of their own.
        sessions: who answered an agent session last.
        answers: who made an answer that a later request may build on.
        tally: what its requests came to.
    """

    _log = Logger()

    def __init__(
        self,
        dialect: Dialect,
        config: ClientConfig,
        members: Sequence[Provider],
        tally: ClientTally | None = None,
    ) -> None:
        self.dialect = dialect
        self.config = config
        self.members = tuple(members)
        self.concerns_models = any(member.upstream.provider.concerns_models for member in self.members)
        self._parts: dict[tuple[Provider, ...], Route] = {}
        self.cursor: Provider | None = None
        self.token_cursor: Provider | None = None
        self.sessions: AffinityTable[Provider] = AffinityTable()
        self.answers: AffinityTable[Provider] = AffinityTable()
        self.tally = ClientTally() if tally is None else tally

    def serving(self, model: str) -> Route:
        """The route of a request that names `model`: this one, or the part of it that has the model.

        A part has the same providers with the same health, and a cursor and sessions of its own: what is preferred for
        one model says nothing about who is to be asked for another one. Who made an answer is known to all parts.
        """
        members = tuple(member for member in self.members if member.serves(model))
        if len(members) == len(self.members):
            return self
        if members not in self._parts:
            part = self._parts[members] = Route(self.dialect, self.config, members, self.tally)
            part.answers = self.answers
        return self._parts[members]

    def prefer(self, member: Provider, session: bytes | None, now: float) -> None:
        """`member` answered last; says so where it was another one before.

        Before is within the session, where there is one: two sessions that are with two providers switch nothing.
        """
        before = self.sessions.get(session, now) or self.cursor or self.members[0]
        self.cursor = member
        if before is not member:
            self._log.info(
                "{client}: {provider} answers now, in place of {before}",
                client=self.dialect.prefix,
                provider=member.name,
                before=before.name,
                switched=True,
            )

    @property
    def manual(self) -> bool:
        """Whether one provider is pinned, and its answers are relayed whatever they say."""
        return self.config.mode is Mode.MANUAL

    def close(self) -> None:
        """Keeps no connection to a provider any more; those in use end with their requests."""
        for member in self.members:
            member.upstream.close()
