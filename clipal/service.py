"""Puts the parts together: listener, clients, upkeep, drain.

`Clipal` is the one service that twistd runs; its parts are services of their own. When it ends, open requests may
finish, and new ones are served meanwhile. Then the listeners close, and the connections to providers after them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from twisted.application.internet import TimerService
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from clipal.config.model import Configuration
from clipal.config.overrides import Overrides
from clipal.config.reload import Reloader
from clipal.dialects.dialect import Dialect
from clipal.downstream.access import AccessRules, ClientAccess
from clipal.downstream.admission import Admission
from clipal.downstream.capacity import Capacity
from clipal.downstream.connections import Connections
from clipal.downstream.listening import Listening
from clipal.downstream.resources import RootResource
from clipal.downstream.site import Site
from clipal.failover.failover import Failover
from clipal.failover.routes import ClientRoutes
from clipal.logs.notifications import Desktop
from clipal.logs.observer import Logs
from clipal.process.descriptors import Descriptors
from clipal.process.handover import HandOver, Offering
from clipal.process.listening import Listener
from clipal.process.signals import Signals
from clipal.process.systemd import Systemd
from clipal.providers.health_state import HealthPolicy
from clipal.providers.route import Route
from clipal.status.snapshot import Snapshot
from clipal.status.status import Combined, Status

UPKEEP: Final = 2.0
"""Seconds between two looks at the configuration files and at providers in a cooldown."""
DRAIN: Final = 10.0
"""Seconds that open requests have to finish when clipal is to end, where `drain_timeout` does not say."""
SUPERVISED_DRAIN: Final = 600.0
"""The same under a supervisor or as a daemon, where no person waits for the end."""


class Siblings(Combined, Protocol):
    """The other workers, as this one knows them."""

    def follow(self, route: Route, configuration: Configuration) -> None:
        """Shares what changes of a route, and takes over what is known of it."""

    def show(self, text: str) -> None:
        """Lets the parent notify the person at the desktop."""

    def ended(self, cut: int, own: Snapshot) -> Deferred[None]:
        """Tells how many requests this worker cut at its end, and all that it counted; fires when that is known."""


class Clipal(MultiService):
    """The proxy.

    Parameters:
        listeners: sockets that listen already, so that a taken port is known before twistd leaves the terminal.
        logs: whose level and secrets follow the configuration.
        status_listening: one more such socket, for `/status` and `/metrics` alone; None for none.
        is_the_log: whether `logs` becomes the only log of the application that this service is put into.
        supervised: whether a supervisor starts and ends the process, or it is a daemon.
        siblings: the other workers, of which this process is one; None where it is alone.
        handover: the file of a socket by which another process may take this one's place; None for none.

    Attributes:
        failovers: the attempt loop of each client, by its prefix.
        serving: fires when it serves.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: PosixReactorBase,
        configuration: Configuration,
        overrides: Overrides,
        dialects: Sequence[Dialect],
        listeners: Sequence[Listener],
        logs: Logs,
        status_listening: socket.socket | None = None,
        *,
        is_the_log: bool = True,
        supervised: bool = False,
        siblings: Siblings | None = None,
        handover: Path | None = None,
    ) -> None:
        super().__init__()
        self._siblings = siblings
        self._leaves = False
        self.serving: Deferred[None] = Deferred()
        self._reactor = reactor
        self._configuration = configuration
        self._dialects = {dialect.prefix: dialect for dialect in dialects}
        self._logs = logs
        self._is_the_log = is_the_log
        self._drain_timeout = SUPERVISED_DRAIN if supervised else DRAIN
        descriptors = Descriptors.of_this_process()
        self._routes = ClientRoutes(reactor, self._dialects, descriptors, configuration)
        self.failovers = self._routes.failovers
        root = RootResource(dialects, self.failovers)
        self.site = Site(
            root,
            reactor,
            Admission.from_configuration(configuration),
            dialects,
            Connections(reactor, descriptors, self._routes.close_unused),
            ClientAccess(reactor, AccessRules.from_settings(configuration.settings)),
            Capacity(configuration.settings),
        )
        files = {dialect.prefix: dialect.config_file for dialect in dialects}
        self._reloader = Reloader(configuration.directory, files, overrides, configuration, self._apply)
        self._failing: set[str] = set()  # what raised an exception when the upkeep last looked after it
        self._desktop = Desktop(reactor, None if siblings is None else siblings.show)
        self._systemd = Systemd(reactor)
        ignored = () if siblings is None else ("SIGINT", "SIGHUP")
        self._signals = Signals(reactor, reload=self._reload, reopen_log=self.reopen_log, ignored=ignored)
        self._upkeep = TimerService(UPKEEP, self._look_after)
        self._upkeep.clock = reactor
        self._listening = Listening(reactor, listeners, self.site)
        self._status = Status(
            reactor, self.failovers, self.site, self._reloader, logs, status_listening, combined=siblings
        )
        self._share(configuration, self._dialects)
        for name, page in self._status.pages.items():
            root.putChild(name, page)
        for part in (self._desktop, self._signals, self._upkeep, self._listening, self._status, self._systemd):
            part.setServiceParent(self)
        self._hand_over: HandOver | None = None
        if handover is not None:
            offering = Offering.of_process(listeners, status_listening, self._hand_over_now)
            self._hand_over = HandOver(reactor, handover, offering)
            self._hand_over.setServiceParent(self)

    # Configuration

    def _apply(self, configuration: Configuration, reset: frozenset[str]) -> None:
        """Puts a new configuration in force; the clients in `reset` begin afresh, the others keep what they know.

        All parts are made before the first one is put in place. Where making a part fails, the old configuration stays
        in force as a whole.
        """
        settings, secrets = configuration.settings, configuration.secrets
        fresh = self._routes.made(configuration, reset)
        kept = [self.failovers[prefix].route for prefix in self._dialects if prefix not in reset]
        failovers = fresh | {route.dialect.prefix: Failover(route, settings, self._reactor) for route in kept}
        admission, policy = Admission.from_configuration(configuration), HealthPolicy.from_settings(settings)
        access = AccessRules.from_settings(settings)
        replaced = [self.failovers[prefix].route for prefix in reset]

        self._logs.set_secrets(secrets)
        self._logs.set_level(settings.log_level)
        self._logs.set_format(settings.log_format)
        for route in kept:
            for provider in route.providers:
                provider.adopt(policy, settings.connect_timeout)
        self.failovers.update(failovers)
        self._share(configuration, reset)
        self.site.admission = admission
        self.site.access.rules = access
        self.site.capacity.follow(settings)
        for route in replaced:
            route.close()
        self._desktop.follow(settings.notifications, secrets)
        self._listening.read_certificates_again()

    def _share(self, configuration: Configuration, prefixes: Iterable[str]) -> None:
        """Other workers learn of what happens to these clients' providers from now on."""
        if self._siblings is not None:
            for prefix in prefixes:
                self._siblings.follow(self.failovers[prefix].route, configuration)

    def _look_after(self) -> None:
        """Checks the files and the providers; where one check fails, the others are made all the same."""
        self._try("the configuration files", self._reloader.check)
        now = self._reactor.seconds()
        for failover in self.failovers.values():
            for provider in failover.route.providers:
                self._try(f"{provider.client}: {provider.name}", partial(provider.look_after, now))

    def _reload(self) -> None:
        self._systemd.reloading()
        self._reloader.reload_all()
        self._systemd.ready()

    def reopen_log(self) -> None:
        """Closes the log file, which a program that rotates logs has moved away; the next line opens a new file."""
        self._logs.close()
        self._log.info("Opened the log anew")

    def _try(self, what: str, look: Callable[[], None]) -> None:
        """Calls `look`. An exception of it is logged, but not again until `look` has succeeded."""
        try:
            look()
        except Exception:
            if what not in self._failing:
                self._failing.add(what)
                self._log.failure("Bug while looking after {what}", what=what)
        else:
            self._failing.discard(what)

    # Running

    def setServiceParent(self, parent: object) -> None:
        """Gives an application the log that twistd asks it for."""
        if self._is_the_log and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._logs)
        super().setServiceParent(parent)

    def startService(self) -> None:
        super().startService()
        self._reactor.callWhenRunning(self.serving.callback, None)
        self._desktop.follow(self._configuration.settings.notifications, self._configuration.secrets)
        if self._siblings is not None:
            return  # the parent has said what follows
        for warning in self._configuration.warnings:
            self._log.warn("{warning}", warning=warning)
        # Behind the signals, which end it in good order from then on.
        self._reactor.callWhenRunning(self._say_listening)

    def _say_listening(self) -> None:
        clients = ", ".join(
            f"/{prefix} ({len(failover.route.providers)})" for prefix, failover in self.failovers.items()
        )
        self._log.info(
            "Listening on {address}; clients and their providers: {clients}",
            address=self._listening.address,
            clients=clients,
        )

    def end(self, *, patient: bool, leaves: bool) -> None:
        """Ends as a signal would end it.

        Parameters:
            patient: as SIGTERM does, which a program sends, and not SIGINT, which a person does.
            leaves: whether other processes go on with the same sockets: then this one accepts no more, at once.
        """
        self._leaves = leaves
        if leaves:
            self._status.leave_file()
        self._signals.end(patient=patient)

    def _hand_over_now(self) -> None:
        self._log.info("A new process goes on with the sockets")
        self.end(patient=True, leaves=True)

    def cut(self) -> None:
        """Ends a drain at once."""
        if not self._signals.again.called:
            self._signals.again.callback(None)

    def snapshot(self) -> Snapshot:
        """The numbers of this process."""
        return self._status.counters.snapshot()

    def stopService(self) -> Deferred[None]:
        """One part after another; a MultiService would stop all of them at once."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        """Open requests may finish, and new ones are served meanwhile; then everything closes."""
        self._systemd.stopping()
        if self._hand_over is not None:
            await self._hand_over.stopService()
        if self._leaves:
            await self._listening.stop_accepting(leave_files=True)
        await self._listening.stop_inherited()
        cut = await self._drain()
        await self._listening.stopService()
        self.site.connections.stop()
        self.site.sum_up()
        await maybeDeferred(self._upkeep.stopService)
        for failover in self.failovers.values():
            self._try(f"the end of /{failover.route.dialect.prefix}", failover.route.close)
        await self._status.stopService()
        self._systemd.stopService()
        self._signals.stopService()
        self._desktop.stopService()
        if self._siblings is not None:
            await self._siblings.ended(cut, self.snapshot())
        elif cut:
            what = "1 open request was" if cut == 1 else f"{cut} open requests were"
            self._log.warn("Stopped; {what} cut", what=what)
        else:
            self._log.info("Stopped; no open request was cut")

    async def _drain(self) -> int:
        """Waits until requests have ended; returns how many were cut."""
        seconds = self._reloader.current.settings.drain_timeout
        if seconds is None:
            seconds = self._drain_timeout
        if self.site.channels:
            limit = f"up to {seconds:g} s" if seconds else "without a limit"
            self._log.info("Waiting {limit} for open requests", limit=limit)
        return await self.site.drain.run(
            seconds, self._signals.again, patient=self._signals.patient, accepting=self._listening.accepting
        )
