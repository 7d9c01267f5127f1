"""The parent of workers: it holds the sockets, the shared state and the totals, and acts on the signals."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from clipal.config.loader import load_configuration
from clipal.config.model import Configuration
from clipal.config.overrides import Overrides
from clipal.config.problems import ConfigurationError
from clipal.logs.logged_service import LoggedService
from clipal.logs.notifications import Desktop
from clipal.logs.observer import Logs
from clipal.process.assignment import Assignment
from clipal.process.control import Message
from clipal.process.handover import HandOver, Offering, handover_path
from clipal.process.listening import Listener
from clipal.process.signals import Signals
from clipal.process.systemd import Systemd
from clipal.process.worker import Worker
from clipal.process.workers import Workers
from clipal.providers.shared import SharedState
from clipal.status.totals import Totals


class Parent(LoggedService):
    """The service of the parent process.

    The parameters are those of `clipal.service.Clipal`, with one more: `files`, the name of each client's configuration
    file, by the client's prefix.

    Attributes:
        serving: fires when all workers serve, or have failed to.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        configuration: Configuration,
        overrides: Overrides,
        files: dict[str, str],
        listeners: Sequence[Listener],
        logs: Logs,
        status_listening: socket.socket | None = None,
        *,
        is_the_log: bool = True,
        supervised: bool = False,
    ) -> None:
        super().__init__(logs, is_the_log=is_the_log)
        self._reactor = reactor
        self._configuration = configuration
        self._overrides = overrides
        self._files = files
        self._listeners = listeners
        self._status_listening = status_listening
        self._supervised = supervised
        self._resets = 0
        self._cut = 0
        self.serving: Deferred[None] = Deferred()
        self._shared = SharedState()
        self._totals = Totals(time.time())
        self._desktop = Desktop(reactor)
        self._systemd = Systemd(reactor)
        self._signals = Signals(reactor, reload=self._reload, reopen_log=self.reopen_log)
        sockets = [listener.socket for listener in listeners]
        if status_listening is not None:
            sockets.append(status_listening)
        self._workers = Workers(
            reactor, configuration.settings.workers, sockets, self._assignment, self._received, self._totals.end
        )
        path = handover_path(configuration.directory, configuration.settings.endpoints)
        self._hand_over = HandOver(reactor, path, Offering.of_workers(listeners, self.roll))
        for part in (self._desktop, self._signals, self._workers, self._hand_over):
            part.setServiceParent(self)

    def _assignment(self) -> str:
        return Assignment(
            self._resets,
            self._supervised,
            str(self._configuration.directory),
            self._overrides,
            tuple(listener.endpoint for listener in self._listeners),
            self._status_listening is not None,
        ).text()

    # Running

    def startService(self) -> None:
        """Starts the workers once the reactor runs, which in a daemon is after its fork."""
        super().startService()
        settings = self._configuration.settings
        self._desktop.follow(settings.notifications, self._configuration.secrets)
        for warning in self._configuration.warnings:
            self._log.warn("{warning}", warning=warning)
        self._reactor.callWhenRunning(self._start)

    def _start(self) -> None:
        if self.running:
            started = DeferredList([worker.ready for worker in self._workers.start()])
            started.addCallback(self._started)

    def _started(self, results: list[tuple[bool, bool]]) -> None:
        if not self.running:
            return
        addresses = ", ".join(listener.address for listener in self._listeners)
        count = self._configuration.settings.workers
        self._log.info("Listening on {address}; {count} workers", address=addresses, count=count)
        self._systemd.setServiceParent(self)
        self.serving.callback(None)

    def _received(self, worker: Worker, message: Message) -> None:
        what = message["do"]
        if what == "share":
            self._share(worker, message)
        elif what == "follow":
            client, epoch = message["client"], message["epoch"]
            worker.control.tell("known", client=client, epoch=epoch, entries=self._shared.entries(client, epoch))
        elif what == "counts":
            self._totals.update(worker, message["counts"], message["states"])
        elif what == "totals":
            totals = self._totals.snapshot()
            if totals is not None:
                worker.control.tell("totals", counts=totals.counts, states=totals.states)
        elif what == "notify":
            self._desktop.show(message["text"])
        elif what == "ended":
            self._cut += message["cut"]
            worker.control.tell("ended")

    def _share(self, worker: Worker, message: Message) -> None:
        word = {each: message[each] for each in ("client", "epoch", "kind", "name", "value")}
        self._shared.keep(**word)
        for each in self._workers.running_workers:
            each.control.tell("share", own=each is worker, **word)

    def reopen_log(self) -> None:
        """Also lets the workers reopen their files; see `LoggedService`."""
        self._workers.tell("reopen log")
        super().reopen_log()

    # Replacing the workers

    def _reload(self) -> None:
        """Lets workers that begin afresh replace those that run, unless they could not read their configuration."""
        self._systemd.reloading()
        try:
            loaded = load_configuration(
                self._configuration.directory, self._files, self._overrides, self._configuration.settings
            )
        except ConfigurationError as error:
            self._totals.failed += 1
            for problem in error.problems:
                self._log.error("The configuration stays as it was: {error}", error=str(problem))
            self._systemd.ready()
            return
        self._logs.set_secrets(loaded.secrets)
        self._logs.set_level(loaded.settings.log_level)
        self._logs.set_format(loaded.settings.log_format)
        self._totals.succeeded += 1
        self._resets += 1
        self.roll().addCallback(self._reloaded)

    def roll(self) -> Deferred[bool]:
        """Replaces all workers, one by one, by workers of the installed code; fires with whether that succeeded."""
        self._log.info("The workers are replaced, one by one")
        return self._workers.roll()

    def _reloaded(self, succeeded: bool) -> None:
        if succeeded:
            self._log.info("All workers have begun afresh")
        self._systemd.ready()

    # The end

    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._systemd.stopping()
        await self._hand_over.stopService()
        self._log.info("Waiting for {count} workers", count=len(self._workers.running_workers))
        self._signals.again.addCallback(lambda _: self._workers.cut())
        await self._workers.end(patient=self._signals.patient)
        for listener in self._listeners:
            listener.remove_file()
            listener.socket.close()
        if self._status_listening is not None:
            name = self._status_listening.getsockname()
            if isinstance(name, str):
                Path(name).unlink(missing_ok=True)
            self._status_listening.close()
        for part in (self._systemd, self._signals, self._desktop):
            part.stopService()
        self.say_stopped(self._cut)
