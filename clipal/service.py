"""Puts the parts together: listener, clients, upkeep, drain.

`Clipal` is the one service that twistd runs; its parts are services of their own. When it ends, open requests may
finish, and new ones are served meanwhile. Then the listeners close, and the connections to providers after them.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

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
from clipal.failover.routes import ClientRoutes
from clipal.logs.logged_service import LoggedService
from clipal.logs.notifications import Desktop
from clipal.logs.observer import Logs
from clipal.process.descriptors import Descriptors
from clipal.process.handover import HandOver, Offering
from clipal.process.listening import Listener
from clipal.process.signals import Signals
from clipal.process.systemd import Systemd
from clipal.siblings import Siblings
from clipal.status.snapshot import Snapshot
from clipal.status.status import Status
from clipal.swap import Swap
from clipal.upkeep import Upkeep

DRAIN: Final = 10.0
"""Seconds that open requests have to finish when clipal is to end, where `drain_timeout` does not say."""
SUPERVISED_DRAIN: Final = 600.0
"""The same under a supervisor or as a daemon, where no person waits for the end."""


class Clipal(LoggedService):
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
        super().__init__(logs, is_the_log=is_the_log)
        self.serving: Deferred[None] = Deferred()
        self._reactor = reactor
        self._configuration = configuration
        self._siblings = siblings
        self._leaves = False
        self._drain_timeout = SUPERVISED_DRAIN if supervised else DRAIN

        # What answers requests
        descriptors = Descriptors.of_this_process()
        routes = ClientRoutes(reactor, {dialect.prefix: dialect for dialect in dialects}, descriptors, configuration)
        self.failovers = routes.failovers
        root = RootResource(dialects, self.failovers)
        connections = Connections(reactor, descriptors, routes.close_unused)
        self.site = _site(reactor, root, dialects, connections, configuration)
        self._listening = Listening(reactor, listeners, self.site)

        # What follows the configuration
        self._desktop = Desktop(reactor, None if siblings is None else siblings.show)
        swap = Swap(reactor, routes, self.site, self._listening, logs, self._desktop, siblings)
        swap.share(configuration, self.failovers)
        files = {dialect.prefix: dialect.config_file for dialect in dialects}
        self._reloader = Reloader(configuration.directory, files, overrides, configuration, swap.apply)
        self._upkeep = Upkeep(reactor, self._reloader, self.failovers)

        # What an operator steers it by, and sees of it
        ignored = () if siblings is None else ("SIGINT", "SIGHUP")
        self._signals = Signals(reactor, reload=self._reload, reopen_log=self.reopen_log, ignored=ignored)
        self._systemd = Systemd(reactor)
        self._status = Status(
            reactor, self.failovers, self.site, self._reloader, logs, status_listening, combined=siblings
        )
        for name, page in self._status.pages.items():
            root.putChild(name, page)
        self._hand_over: HandOver | None = None
        if handover is not None:
            offering = Offering.of_process(listeners, status_listening, self._hand_over_now)
            self._hand_over = HandOver(reactor, handover, offering)
        self._add_parts()

    def _add_parts(self) -> None:
        """Makes the parts services of this one. They start in this order."""
        parts = [self._desktop, self._signals, self._upkeep, self._listening, self._status, self._systemd]
        if self._hand_over is not None:
            parts.append(self._hand_over)
        for part in parts:
            part.setServiceParent(self)

    def _reload(self) -> None:
        self._systemd.reloading()
        self._reloader.reload_all()
        self._systemd.ready()

    # Running

    def startService(self) -> None:
        super().startService()
        self._reactor.callWhenRunning(self.serving.callback, None)
        self._desktop.follow(self._configuration.settings.notifications, self._configuration.secrets)
        if self._siblings is not None:
            return  # the parent has said what follows
        for warning in self._configuration.warnings:
            self._log.warn("{warning}", warning=warning)
        # After the signals' own call, so that a signal ends clipal in good order once this line is logged.
        self._reactor.callWhenRunning(self._say_listening)

    def _say_listening(self) -> None:
        counted = [f"/{prefix} ({len(failover.route.providers)})" for prefix, failover in self.failovers.items()]
        self._log.info(
            "Listening on {address}; clients and their providers: {clients}",
            address=self._listening.address,
            clients=", ".join(counted),
        )

    def end(self, *, patient: bool, leaves: bool) -> None:
        """Ends as a signal would end it.

        Parameters:
            patient: whether it drains as after SIGTERM, which a program sends; else as after SIGINT, from a person.
            leaves: whether other processes go on with the same sockets. Then this process stops accepting at once.
        """
        self._leaves = leaves
        if leaves:
            self._status.leave_file()
        self._signals.end(patient=patient)

    def _hand_over_now(self) -> None:
        self._log.info("A new process goes on with the sockets")
        self.end(patient=True, leaves=True)

    def cut(self) -> None:
        """Ends a drain at once: open requests are cut."""
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
        self._close_routes()
        await self._status.stopService()
        self._systemd.stopService()
        self._signals.stopService()
        self._desktop.stopService()
        if self._siblings is not None:
            await self._siblings.ended(cut, self.snapshot())
        else:
            self.say_stopped(cut)

    def _close_routes(self) -> None:
        for prefix, failover in self.failovers.items():
            try:
                failover.route.close()
            except Exception:
                self._log.failure("Bug at the end of /{prefix}", prefix=prefix)

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


def _site(
    reactor: PosixReactorBase,
    root: RootResource,
    dialects: Sequence[Dialect],
    connections: Connections,
    configuration: Configuration,
) -> Site:
    settings = configuration.settings
    access = ClientAccess(reactor, AccessRules.from_settings(settings))
    admission = Admission.from_configuration(configuration)
    return Site(root, reactor, admission, dialects, connections, access, Capacity(settings))
