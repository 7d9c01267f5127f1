"""How many file descriptors there are, and whom they are for: clients, their providers, connections that are unused."""

from __future__ import annotations

import sys
from typing import Final

from attrs import define

RESERVED: Final = 32
"""Descriptors for what is no connection: the listener, log files, the reactor; and for connections that just end."""
NO_LIMIT: Final = 200_000


@define(eq=False)
class Descriptors:
    """The descriptors for connections, and how many of them are spoken for.

    A client counts twice, because its next request may need a connection to a provider. So whoever was accepted can be
    served, and unused connections to providers have what is left.

    Attributes:
        limit: descriptors for connections, in all.
        clients: connections of clients.
        unused: connections to providers that are kept for later requests.
    """

    limit: int = NO_LIMIT
    clients: int = 0
    unused: int = 0

    @classmethod
    def of_this_process(cls) -> Descriptors:
        """As many as the system gives: the limit is raised as far as it may be, as its default is low."""
        return cls(max(2, raise_limit() - RESERVED))

    @property
    def room_for_client(self) -> bool:
        """Whether one more client can be served."""
        return 2 * self.clients + self.unused + 2 <= self.limit

    @property
    def room_for_unused(self) -> bool:
        """Whether one more connection to a provider can be kept."""
        return 2 * self.clients + self.unused < self.limit


def raise_limit() -> int:
    """Raises the limit of open descriptors as far as the system lets us; returns it."""
    if sys.platform == "win32":
        return NO_LIMIT
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (ValueError, OSError):  # macOS has a lower limit than it says
            pass
    return NO_LIMIT if soft == resource.RLIM_INFINITY else soft
