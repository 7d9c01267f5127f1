"""Replaces the configuration in force by a new one, in all parts of the service that depend on it."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.interfaces import IReactorTime

from clipal.config.model import Configuration
from clipal.downstream.access import AccessRules
from clipal.downstream.admission import Admission
from clipal.downstream.listening import Listening
from clipal.downstream.site import Site
from clipal.failover.failover import Failover
from clipal.failover.routes import ClientRoutes
from clipal.logs.notifications import Desktop
from clipal.logs.observer import Logs
from clipal.providers.health_state import HealthPolicy
from clipal.siblings import Siblings


class Swap:
    """The parts of the service that depend on the configuration.

    Parameters:
        siblings: the other workers; None where this process is alone.
    """

    def __init__(
        self,
        clock: IReactorTime,
        routes: ClientRoutes,
        site: Site,
        listening: Listening,
        logs: Logs,
        desktop: Desktop,
        siblings: Siblings | None,
    ) -> None:
        self._clock = clock
        self._routes = routes
        self._site = site
        self._listening = listening
        self._logs = logs
        self._desktop = desktop
        self._siblings = siblings

    def apply(self, configuration: Configuration, reset: frozenset[str]) -> None:
        """Puts a new configuration in force; the clients in `reset` begin afresh, the others keep what they know.

        All parts are made before the first one is put in place. Where making a part fails, the old configuration stays
        in force as a whole.
        """
        settings, secrets, failovers = configuration.settings, configuration.secrets, self._routes.failovers
        fresh = self._routes.made(configuration, reset)
        kept = [failover.route for prefix, failover in failovers.items() if prefix not in reset]
        fresh |= {route.dialect.prefix: Failover(route, settings, self._clock) for route in kept}
        admission, policy = Admission.from_configuration(configuration), HealthPolicy.from_settings(settings)
        access = AccessRules.from_settings(settings)
        replaced = [failovers[prefix].route for prefix in reset]

        self._logs.set_secrets(secrets)
        self._logs.set_level(settings.log_level)
        self._logs.set_format(settings.log_format)
        for route in kept:
            for provider in route.providers:
                provider.adopt(policy, settings.connect_timeout)
        failovers.update(fresh)
        self.share(configuration, reset)
        self._site.admission = admission
        self._site.access.rules = access
        self._site.capacity.follow(settings)
        for route in replaced:
            route.close()
        self._desktop.follow(settings.notifications, secrets)
        self._listening.read_certificates_again()

    def share(self, configuration: Configuration, prefixes: Iterable[str]) -> None:
        """Shares the state of these clients' providers with the other workers from now on."""
        if self._siblings is not None:
            for prefix in prefixes:
                self._siblings.follow(self._routes.failovers[prefix].route, configuration)
