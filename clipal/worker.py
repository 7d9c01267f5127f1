"""A worker's main program, `python -m clipal.worker`: one of several processes that serve on the same sockets.

Its parent (`clipal.parent`) starts it, tells it by the environment what it inherits, and by a socket pair when it is to
end. When the parent is gone, it drains and ends.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from hashlib import sha256
from typing import Any, Final

from attrs import evolve
from twisted.application.internet import TimerService
from twisted.internet.defer import Deferred, succeed
from twisted.logger import globalLogBeginner

from clipal.config.loader import load_configuration
from clipal.config.model import Configuration
from clipal.config.problems import ConfigurationError
from clipal.dialects.registry import DIALECTS
from clipal.logs.observer import open_logs
from clipal.process.assignment import CONTROL, FIRST_LISTENER, VARIABLE, Assignment
from clipal.process.clock import use_monotonic_time
from clipal.process.control import Control, Message
from clipal.process.garbage import spare_what_stays
from clipal.process.hangup import ignore_hangup, ignore_user_signals
from clipal.process.listening import Listener
from clipal.providers.route import Route
from clipal.providers.shared import SharedRoutes
from clipal.service import Clipal
from clipal.status.snapshot import Snapshot
from clipal.transport.tls_server import BadCertificate, ServerTLS

REPORTS: Final = 0.5
"""Seconds between two reports of a worker's numbers to its parent."""
LONGEST_WAIT_FOR_PARENT: Final = 2.0
"""Seconds for it to answer: then a page shows what was known before, and a worker ends without its answer."""


class ParentConnection:
    """A worker's connection to its parent, and what it knows by it of the other workers (`clipal.service.Siblings`)."""

    def __init__(self, reactor: Any, assignment: Assignment, end: socket.socket) -> None:
        self._reactor = reactor
        self._assignment = assignment
        self._control = Control.over(reactor, end, self._received, self._lost)
        self._routes = SharedRoutes(self._control.tell, reactor.seconds)
        self._awaited: set[tuple[str, str]] = set()
        self._totals: Snapshot | None = None
        self._waiting: list[Deferred[None]] = []
        self._service: Clipal | None = None
        self._ending = False
        self.known: Deferred[None] = Deferred()

    def serve(self, service: Clipal) -> None:
        """`service` serves."""
        self._service = service
        self._control.tell("ready")
        if self._ending:  # the parent was gone before
            service.end(patient=True, leaves=True)

    # What this worker tells

    def follow(self, route: Route, configuration: Configuration) -> None:
        """See `clipal.service.Siblings`."""
        epoch = _epoch(route, configuration, self._assignment.resets)
        self._awaited.add((route.dialect.prefix, epoch))
        self._routes.follow(route, epoch)

    def show(self, text: str) -> None:
        """See `clipal.service.Siblings`."""
        self._control.tell("notify", text=text)

    def report(self, own: Snapshot) -> None:
        """Tells the parent this worker's numbers."""
        self._control.tell("counts", counts=own.counts, states=own.states)

    def ended(self, cut: int, own: Snapshot) -> Deferred[None]:
        """See `clipal.service.Siblings`."""
        if not self._control.connected:
            return succeed(None)
        self.report(own)
        self._control.tell("ended", cut=cut)
        return self._answer()

    def refresh(self, own: Snapshot) -> Deferred[None]:
        """See `clipal.status.status.Combined`."""
        self._totals = self._totals or own
        if not self._control.connected:
            return succeed(None)
        self.report(own)
        self._control.tell("totals")
        return self._answer()

    def _answer(self) -> Deferred[None]:
        """The parent's next answer."""
        waiting: Deferred[None] = Deferred()
        waiting.addTimeout(LONGEST_WAIT_FOR_PARENT, self._reactor, lambda *_: None)
        self._waiting.append(waiting)
        return waiting

    def snapshot(self) -> Snapshot:
        """See `clipal.status.status.Combined`."""
        assert self._totals is not None
        return self._totals

    # What it is told

    def _received(self, message: Message) -> None:
        what = message["do"]
        if what == "share":
            self._routes.shared(*_word(message), own=message["own"])
        elif what == "known":
            self._routes.known(message["client"], message["epoch"], message["entries"])
            self._awaited.discard((message["client"], message["epoch"]))
            if not self._awaited and not self.known.called:
                self.known.callback(None)
        elif what == "totals":
            self._totals = Snapshot(message["counts"], message["states"])
            self._answered()
        elif what == "ended":
            self._answered()
        elif self._service is None:
            return
        elif what == "drain":
            self._service.end(patient=message["patient"], leaves=message["leaves"])
        elif what == "cut":
            self._service.cut()
        elif what == "reopen log":
            self._service.reopen_log()

    def _answered(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.called:
                each.callback(None)

    def _lost(self) -> None:
        self._answered()
        self._ending = True
        if self._service is not None:
            self._service.end(patient=True, leaves=True)


def _word(message: Message) -> tuple[str, str, str, str, Any]:
    return message["client"], message["epoch"], message["kind"], message["name"], message["value"]


def _epoch(route: Route, configuration: Configuration, resets: int) -> str:
    """The same in two workers that have read the same file, the same keys included, since the same reset."""
    stamp = (configuration.stamps or {}).get(route.dialect.config_file)
    keys = [key for provider in configuration.clients[route.dialect.prefix].providers for key in provider.api_keys]
    return f"{resets}-{sha256(repr((stamp, [key.reveal() for key in keys])).encode()).hexdigest()[:16]}"


def _listeners(assignment: Assignment) -> tuple[tuple[Listener, ...], socket.socket | None]:
    """The inherited sockets; their files are the parent's business."""
    found = []
    for place, endpoint in enumerate(assignment.endpoints, FIRST_LISTENER):
        tls = None if endpoint.tls is None else ServerTLS(endpoint.tls)
        found.append(Listener(endpoint, _inherited(place), tls))
    last = FIRST_LISTENER + len(found)
    return tuple(found), _inherited(last) if assignment.has_status else None


def _inherited(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)


def _configuration(assignment: Assignment) -> Configuration:
    from pathlib import Path

    clients = {dialect.prefix: dialect.config_file for dialect in DIALECTS}
    loaded = load_configuration(Path(assignment.directory), clients, assignment.overrides)
    if loaded.settings.endpoints == assignment.endpoints:
        return loaded
    return evolve(loaded, settings=evolve(loaded.settings, listen=assignment.endpoints))


def serve_as_worker() -> int:
    """Serves until the parent, or a SIGTERM, ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends both to the whole group: the parent acts on them
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    ignore_user_signals()
    assignment = Assignment.parse(os.environ.pop(VARIABLE))
    if sys.platform.startswith("linux"):
        from clipal.transport.epoll import install

        install()
    from twisted.internet import reactor as installed

    reactor: Any = installed
    reactor.addSystemEventTrigger("after", "shutdown", ignore_hangup)
    use_monotonic_time(reactor)
    spare_what_stays(reactor)
    try:
        listeners, status_listening = _listeners(assignment)
        configuration = _configuration(assignment)
    except (ConfigurationError, BadCertificate) as error:
        print(f"clipal: {error}", file=sys.stderr)
        return 1
    logs = open_logs(configuration.settings, configuration.secrets)
    globalLogBeginner.beginLoggingTo([logs], redirectStandardIO=False)
    connection = ParentConnection(reactor, assignment, _inherited(CONTROL))
    service = Clipal(
        reactor,
        configuration,
        assignment.overrides,
        DIALECTS,
        listeners,
        logs,
        status_listening,
        supervised=assignment.supervised,
        siblings=connection,
    )
    reports = TimerService(REPORTS, lambda: connection.report(service.snapshot()))
    reports.clock = reactor

    def start(_: None) -> None:
        service.startService()
        reports.startService()
        reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
        connection.serve(service)

    connection.known.addCallback(start)
    reactor.run()
    return 0


if __name__ == "__main__":
    sys.exit(serve_as_worker())
