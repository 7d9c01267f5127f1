"""The service of `/status` and `/metrics`: the pages, and where they are served."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from typing import Protocol, cast

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger
from twisted.web.iweb import IRequest

from clipal.config.reload import Reloader
from clipal.downstream.admission import Refusal
from clipal.downstream.page import PageRequest
from clipal.downstream.site import Site
from clipal.failover.failover import Failover
from clipal.status.counters import Counters, Drops
from clipal.status.lag import ReactorLag
from clipal.status.listening import OpenAccess, StatusListening, StatusSite
from clipal.status.metrics import Metrics
from clipal.status.report import report
from clipal.status.resources import LocalAccess, pages
from clipal.status.snapshot import Snapshot


class Combined(Protocol):
    """The numbers of all workers together."""

    def snapshot(self) -> Snapshot:
        """The numbers as they were at the last refresh."""

    def refresh(self, own: Snapshot) -> Deferred[None]:
        """Gets the numbers anew; those of this worker are `own`."""


class Status(MultiService):
    """Serves the pages until the other parts have stopped, so that a drain can be watched.

    Parameters:
        listening: a socket that listens for `status_listen`; None for none.
        combined: the numbers of all workers; None where this process is alone.

    Attributes:
        pages: the pages for the clients' port, by the names of their paths.
        counters: the numbers that the pages show.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: PosixReactorBase,
        failovers: Mapping[str, Failover],
        site: Site,
        reloader: Reloader,
        log: Drops,
        listening: socket.socket | None,
        wall: Callable[[], float] = time.time,
        combined: Combined | None = None,
    ) -> None:
        super().__init__()
        lag = ReactorLag(reactor)
        lag.setServiceParent(self)
        self.counters = Counters(failovers, site, reloader, log, lag, reactor.seconds, wall, wall())
        source, refresh = self.counters.snapshot, None
        if combined is not None:
            source, refresh = combined.snapshot, lambda: combined.refresh(self.counters.snapshot())
        parts = (lambda: report(source(), reloader.current), Metrics(source).text)
        self.pages = pages(LocalAccess(site.access), *parts, _note_refusal, refresh)
        self._listening: StatusListening | None = None
        if listening is not None:
            alone = StatusSite(reactor, pages(OpenAccess(lambda: site.admission), *parts, refresh=refresh))
            self._listening = StatusListening(reactor, listening, alone, leave_file=combined is not None)
            self._listening.setServiceParent(self)

    def startService(self) -> None:
        super().startService()
        if self._listening is not None and not self._listening.leave_file:  # else the parent's log says it
            self._log.info("Status on {address}", address=self._listening.address)

    def leave_file(self) -> None:
        """Another process goes on with the socket of `status_listen`: its file stays."""
        if self._listening is not None:
            self._listening.leave_file = True

    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        for part in self:
            await maybeDeferred(part.stopService)


def _note_refusal(request: IRequest, refusal: Refusal) -> None:
    """Counts and logs the refusal of a page as any other refusal."""
    cast("PageRequest", request).note(refusal)
