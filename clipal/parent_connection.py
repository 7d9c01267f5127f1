"""A worker's connection to its parent (`clipal.parent`), over which it also learns of the other workers."""

from __future__ import annotations

import socket
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed

from clipal.config.model import Configuration
from clipal.process.control import Control, Message
from clipal.providers.route import Route
from clipal.providers.shared import SharedRoutes
from clipal.service import Clipal
from clipal.status.snapshot import Snapshot

_LONGEST_WAIT_FOR_PARENT: Final = 2.0
"""Seconds for the parent to answer. Then a page shows the last totals, and a worker ends without the answer."""


class ParentConnection:
    """What a worker says to its parent and hears from it. It implements `clipal.siblings.Siblings` for the service.

    Parameters:
        end: the worker's end of the socket pair.
        assigned: called when the parent wants the worker to serve, with the text of an `Assignment`.

    Attributes:
        resets: how often an operator has asked for a fresh start.
        known: fires when the worker knows what the other workers know of all routes that it follows.
    """

    def __init__(self, reactor: Any, end: socket.socket, assigned: Callable[[str], None]) -> None:
        self._reactor = reactor
        self._assigned = assigned
        self.resets = 0
        self._control = Control.over(reactor, end, self._received, self._lost)
        self._routes = SharedRoutes(self._control.tell, reactor.seconds)
        self._awaited: set[tuple[str, str]] = set()
        self._totals: Snapshot | None = None
        self._waiting: list[Deferred[None]] = []
        self._service: Clipal | None = None
        self.known: Deferred[None] = Deferred()

    def serve(self, service: Clipal) -> None:
        """`service` serves."""
        self._service = service
        self._control.tell("ready")

    # What this worker tells

    def follow(self, route: Route, configuration: Configuration) -> None:
        """See `clipal.siblings.Siblings`."""
        epoch = _epoch(route, configuration, self.resets)
        self._awaited.add((route.dialect.prefix, epoch))
        self._routes.follow(route, epoch)

    def show(self, text: str) -> None:
        """See `clipal.siblings.Siblings`."""
        self._control.tell("notify", text=text)

    def report(self, own: Snapshot) -> None:
        """Tells the parent this worker's numbers."""
        self._control.tell("counts", counts=own.counts, states=own.states)

    def ended(self, cut: int, own: Snapshot) -> Deferred[None]:
        """See `clipal.siblings.Siblings`."""
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
        waiting.addTimeout(_LONGEST_WAIT_FOR_PARENT, self._reactor, lambda *_: None)
        self._waiting.append(waiting)
        return waiting

    def snapshot(self) -> Snapshot:
        """See `clipal.status.status.Combined`."""
        assert self._totals is not None
        return self._totals

    # What it is told

    def _received(self, message: Message) -> None:
        what = message["do"]
        if what == "serve":
            self._assigned(message["assignment"])
        elif what == "share":
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
        if self._service is not None:
            self._service.end(patient=True, leaves=True)
        elif self._reactor.running:
            self._reactor.stop()


def _word(message: Message) -> tuple[str, str, str, str, Any]:
    return message["client"], message["epoch"], message["kind"], message["name"], message["value"]


def _epoch(route: Route, configuration: Configuration, resets: int) -> str:
    """A text that is equal in two workers that have read the same file and the same keys since the same reset."""
    stamp = (configuration.stamps or {}).get(route.dialect.config_file)
    keys = [key for provider in configuration.clients[route.dialect.prefix].providers for key in provider.api_keys]
    return f"{resets}-{sha256(repr((stamp, [key.reveal() for key in keys])).encode()).hexdigest()[:16]}"
