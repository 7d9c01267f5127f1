"""Puts the parts together: listener, clients, upkeep, drain.

`Clipal` is the one service that twistd runs. Its parts end in the reverse of the order in which they begin: first
nobody new comes in, then what is under way may finish, then the connections to providers close.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from clipal.config.loader import Overrides
from clipal.config.model import ClientConfig, Configuration, Settings
from clipal.config.reload import Reloader
from clipal.dialects.dialect import Dialect
from clipal.downstream.admission import Admission
from clipal.downstream.resources import Root
from clipal.downstream.site import Site
from clipal.failover.failover import Failover
from clipal.logs.notifications import Desktop
from clipal.logs.observer import Logs
from clipal.process.descriptors import client_capacity
from clipal.process.signals import Signals
from clipal.providers.health import HealthPolicy
from clipal.providers.provider import Provider
from clipal.providers.route import Route
from clipal.transport.resolver import SharedResolver
from clipal.transport.tcp import EagerPort
from clipal.upstream.provider_agent import Upstream

UPKEEP: Final = 2.0
"""Seconds between two looks at the configuration files and at resting providers."""
DRAIN: Final = 10.0
"""Seconds that open streams have to finish after SIGTERM."""


class Clipal(Service):
    """The proxy.

    Parameters:
        listening: a socket that listens already, so that a taken port is known before twistd leaves the terminal.
        logs: whose level and secrets follow the configuration.

    Attributes:
        failovers: the attempt loop of each client, by its prefix.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: PosixReactorBase,
        configuration: Configuration,
        overrides: Overrides,
        dialects: Sequence[Dialect],
        listening: socket.socket,
        logs: Logs,
    ) -> None:
        self._reactor = reactor
        self._configuration = configuration
        self._dialects = {dialect.prefix: dialect for dialect in dialects}
        self._listening = listening
        self._logs = logs
        self._port: IListeningPort | None = None
        self._resolver = SharedResolver(reactor)
        self.failovers: dict[str, Failover] = {}
        self.failovers.update(self._make_routes(configuration, self._dialects))
        self.site = Site(
            Root(dialects, self.failovers), reactor, admission_of(configuration), dialects, client_capacity()
        )
        files = {dialect.prefix: dialect.config_file for dialect in dialects}
        self._reloader = Reloader(configuration.directory, files, overrides, configuration, self._apply)
        self._failing: set[str] = set()  # the looks of the upkeep that raised when they were last made
        self._upkeep = LoopingCall(self._look_after)
        self._upkeep.clock = reactor
        self._desktop = Desktop(reactor)
        self._signals = Signals(reactor, reload=self._reloader.reload_all)

    # Configuration

    def _make_routes(self, configuration: Configuration, prefixes: Iterable[str]) -> dict[str, Failover]:
        made = {}
        for prefix in prefixes:
            dialect = self._dialects[prefix]
            config = configuration.clients[prefix]
            route = make_route(self._reactor, dialect, config, configuration.settings, self._resolver)
            made[prefix] = Failover(route, configuration.settings, self._reactor)
        return made

    def _apply(self, configuration: Configuration, reset: frozenset[str]) -> None:
        """Takes a new configuration; the clients in `reset` begin afresh, the others keep what they know.

        All of it is made before any of it is put in place: where making it fails, the old one stays in force whole.
        """
        settings, secrets = configuration.settings, secrets_of(configuration)
        fresh = self._make_routes(configuration, reset)
        kept = [self.failovers[prefix].route for prefix in self._dialects if prefix not in reset]
        failovers = fresh | {route.dialect.prefix: Failover(route, settings, self._reactor) for route in kept}
        admission, policy = admission_of(configuration), policy_of(settings)
        replaced = [self.failovers[prefix].route for prefix in reset]

        self._logs.set_secrets(secrets)
        self._logs.set_level(settings.log_level)
        for route in kept:
            for member in route.members:
                member.adopt(policy, settings.connect_timeout)
        self.failovers.update(failovers)
        self.site.admission = admission
        for route in replaced:
            route.close()
        self._desktop.follow(settings.notifications, secrets)

    def _look_after(self) -> None:
        """Every two seconds: each look by itself, so that one that fails holds up no other."""
        self._try("the configuration files", self._reloader.check)
        now = self._reactor.seconds()
        for failover in self.failovers.values():
            for member in failover.route.members:
                self._try(f"{member.client}: {member.name}", partial(member.look_after, now))

    def _try(self, what: str, look: Callable[[], None]) -> None:
        """Looks; a bug is logged when it begins, and not again before the look has succeeded."""
        try:
            look()
        except Exception:
            if what not in self._failing:
                self._failing.add(what)
                self._log.failure("Bug while looking after {what}", what=what)
        else:
            self._failing.discard(what)

    # Running

    def startService(self) -> None:
        super().startService()
        port = self._port = EagerPort.adopt(self._reactor, self._listening, self.site)
        self.site.accept_from(port)
        host, port = self._listening.getsockname()[:2]
        self._listening.close()
        self._upkeep.start(UPKEEP, now=False)
        self._signals.install()
        self._desktop.follow(self._configuration.settings.notifications, secrets_of(self._configuration))
        for warning in self._configuration.warnings:
            self._log.warn("{warning}", warning=warning)
        clients = ", ".join(f"/{prefix} ({len(failover.route.members)})" for prefix, failover in self.failovers.items())
        self._log.info(
            "Listening on {host}:{port}; clients and their providers: {clients}",
            host=host,
            port=port,
            clients=clients,
        )

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        """Nobody new comes in, what is under way may finish, then everything closes."""
        if self._port is not None:
            await maybeDeferred(self._port.stopListening)
        if self._upkeep.running:
            self._upkeep.stop()
        if self.site.channels:
            self._log.info("Waiting up to {seconds:.0f} s for open requests", seconds=DRAIN)
        await self.site.drain(DRAIN, self._signals.again)
        for failover in self.failovers.values():
            failover.route.close()
        self._signals.uninstall()
        self._desktop.close()
        self._log.info("Stopped")


def make_route(
    reactor: PosixReactorBase, dialect: Dialect, config: ClientConfig, settings: Settings, resolver: SharedResolver
) -> Route:
    """A fresh route of the enabled providers by priority, or of the pinned one alone."""
    policy = policy_of(settings)
    chosen = [each for each in config.providers if each.enabled and config.pinned_provider in (None, each.name)]
    chosen.sort(key=lambda each: each.priority)
    upstreams = [Upstream(reactor, each, dialect, settings, resolver=resolver) for each in chosen]
    return Route(dialect, config, [Provider(dialect.prefix, each, policy) for each in upstreams])


def admission_of(configuration: Configuration) -> Admission:
    """Who may come in, and who may leave HTTP."""
    clients = configuration.clients.items()
    tunnelled = [prefix for prefix, client in clients if any(each.takes_websockets for each in client.providers)]
    return Admission(configuration.settings, frozenset(prefix.encode("ascii") for prefix in tunnelled))


def policy_of(settings: Settings) -> HealthPolicy:
    """How the health of providers is kept."""
    breaker = settings.circuit_breaker
    return HealthPolicy(breaker.failure_threshold, breaker.open_timeout, settings.reactivate_after)


def secrets_of(configuration: Configuration) -> list[str]:
    """Every key, of disabled providers too: what must not be seen anywhere."""
    providers = (each for client in configuration.clients.values() for each in client.providers)
    return [key for provider in providers for key in provider.api_keys]
