"""What the service of a worker asks of the other workers (`clipal.parent_connection` does it)."""

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
        """Shares the changes of a route's state, and takes over what the other workers know of it."""

    def show(self, text: str) -> None:
        """Lets the parent notify the person at the desktop."""

    def ended(self, cut: int, own: Snapshot) -> Deferred[None]:
        """Tells the parent this worker's numbers and how many requests it cut; fires when the parent has answered."""
