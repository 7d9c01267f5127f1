"""A worker's main program, `python -m clipal.worker`: one of several processes that serve on the same sockets.

Its parent (`clipal.parent`) starts it with the sockets, and tells it by a socket pair what to serve on them and when to
end. When the parent is gone, it drains and ends.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from traceback import format_exc
from typing import Any, Final

from attrs import evolve
from twisted.application.internet import TimerService
from twisted.logger import globalLogBeginner

from clipal.config.loader import load_configuration
from clipal.config.model import Configuration
from clipal.config.problems import ConfigurationError
from clipal.dialects.registry import DIALECTS
from clipal.logs.observer import open_logs
from clipal.parent_connection import ParentConnection
from clipal.process.assignment import CONTROL, FIRST_LISTENER, Assignment
from clipal.process.clock import use_monotonic_time
from clipal.process.early_signals import ignore_hangup, ignore_user_signals
from clipal.process.garbage import spare_what_stays
from clipal.process.listening import Listener
from clipal.service import Clipal
from clipal.transport.tls_server import BadCertificate, ServerTLS

_REPORTS: Final = 0.5
"""Seconds between two reports of a worker's numbers to its parent."""


def serve_as_worker() -> int:
    """Loads the program, waits to be told to serve, and serves until the parent or a SIGTERM ends the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends both to the whole group; the parent acts on both
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    ignore_user_signals()
    if sys.platform.startswith("linux"):
        from clipal.transport.epoll import install

        install()
    from twisted.internet import reactor as installed

    reactor: Any = installed
    reactor.addSystemEventTrigger("after", "shutdown", ignore_hangup)
    use_monotonic_time(reactor)
    spare_what_stays(reactor)
    failures: list[str] = []

    def serve(assignment: str) -> None:
        try:
            _serve(reactor, Assignment.parse(assignment), connection)
        except (ConfigurationError, BadCertificate) as error:
            failures.append(str(error))
            reactor.stop()
        except Exception:  # the parent may be of another version
            failures.append(format_exc())
            reactor.stop()

    connection = ParentConnection(reactor, _inherited(CONTROL), serve)
    reactor.run()
    for failure in failures:
        print(f"clipal: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _serve(reactor: Any, assignment: Assignment, connection: ParentConnection) -> None:
    """Serves as soon as this worker knows what the other workers know.

    Raises:
        ConfigurationError: the configuration is wrong by now.
        BadCertificate: a certificate is wrong by now.
    """
    connection.resets = assignment.resets
    listeners, status_listening = _listeners(assignment)
    configuration = _configuration(assignment)
    logs = open_logs(configuration.settings, configuration.secrets)
    globalLogBeginner.beginLoggingTo([logs], redirectStandardIO=False)
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
    reports = TimerService(_REPORTS, lambda: connection.report(service.snapshot()))
    reports.clock = reactor

    def start(_: None) -> None:
        service.startService()
        reports.startService()
        reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
        connection.serve(service)

    connection.known.addCallback(start)


def _listeners(assignment: Assignment) -> tuple[tuple[Listener, ...], socket.socket | None]:
    """The inherited sockets. The parent removes their files."""
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
    clients = {dialect.prefix: dialect.config_file for dialect in DIALECTS}
    loaded = load_configuration(Path(assignment.directory), clients, assignment.overrides)
    if loaded.settings.endpoints == assignment.endpoints:
        return loaded
    return evolve(loaded, settings=evolve(loaded.settings, listen=assignment.endpoints))


if __name__ == "__main__":
    sys.exit(serve_as_worker())
