"""What the service of a worker asks of the other workers."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred

from clipal.config.model import Configuration
from clipal.providers.route import Route
from clipal.status.snapshot import Snapshot
from clipal.status.status import Combined


class Siblings(Combined, Protocol):
    """The other workers, as this one knows them."""

    def follow(self, route: Route, configuration: Configuration) -> None:
        """Shares what changes of a route, and takes over what is known of it."""

    def show(self, text: str) -> None:
        """Lets the parent notify the person at the desktop."""

    def ended(self, cut: int, own: Snapshot) -> Deferred[None]:
        """Tells how many requests this worker cut at its end, and all that it counted; fires when that is known."""
