"""Makes the attempt loop of each client from a configuration, and keeps the loops that are in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import itemgetter

from twisted.internet.posixbase import PosixReactorBase

from clipal.config.model import ClientConfig, Configuration
from clipal.config.settings import Settings
from clipal.dialects.dialect import Dialect
from clipal.failover.failover import Failover
from clipal.process.descriptors import Descriptors
from clipal.providers.health_state import HealthPolicy
from clipal.providers.provider import Provider
from clipal.providers.route import Route
from clipal.providers.tally import ClientTally
from clipal.transport.resolver import SharedResolver
from clipal.upstream.provider_agent import ProviderAgent


class ClientRoutes:
    """The routes of this process, and what they share: look-ups, descriptors, and tallies that outlive a reload.

    Attributes:
        failovers: the attempt loop in force of each client, by its prefix.
    """

    def __init__(
        self,
        reactor: PosixReactorBase,
        dialects: Mapping[str, Dialect],
        descriptors: Descriptors,
        configuration: Configuration,
    ) -> None:
        self._reactor = reactor
        self._dialects = dialects
        self._resolver = SharedResolver(reactor)
        self._descriptors = descriptors
        self._tallies = {prefix: ClientTally() for prefix in dialects}
        self.failovers = self.made(configuration, dialects)

    def made(self, configuration: Configuration, prefixes: Iterable[str]) -> dict[str, Failover]:
        """New attempt loops for these clients; they are not in force yet."""
        settings = configuration.settings
        return {
            prefix: Failover(self._route(prefix, configuration.clients[prefix], settings), settings, self._reactor)
            for prefix in prefixes
        }

    def _route(self, prefix: str, config: ClientConfig, settings: Settings) -> Route:
        """A route of the enabled providers by priority, or of the pinned provider alone."""
        dialect, tally, policy = self._dialects[prefix], self._tallies[prefix], HealthPolicy.from_settings(settings)
        chosen = [each for each in config.providers if each.is_asked and config.pinned_provider in (None, each.name)]
        chosen.sort(key=lambda each: each.priority)
        agents = [
            ProviderAgent(
                self._reactor, each, dialect, settings, resolver=self._resolver, descriptors=self._descriptors
            )
            for each in chosen
        ]
        return Route(
            dialect, config, [Provider(prefix, each, policy, tally.provider(each.name)) for each in agents], tally
        )

    def close_unused(self) -> bool:
        """Closes the connection that has been unused for longest; False where no connection is unused."""
        agents = [each.upstream for failover in self.failovers.values() for each in failover.route.providers]
        unused = [(agent.idle_since, agent) for agent in agents if agent.idle_since is not None]
        return bool(unused) and min(unused, key=itemgetter(0))[1].close_longest_idle()
