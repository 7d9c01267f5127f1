"""How many file descriptors there are for clients, for their providers, and for unused connections."""

from __future__ import annotations

import sys
from typing import Final

from attrs import define

RESERVED: Final = 32
"""Descriptors for the listener, log files and the reactor, and for connections that are about to end."""
NO_LIMIT: Final = 200_000
SELECTED: Final = 512
"""Sockets that select() takes on Windows: CPython's FD_SETSIZE. With more, it fails for all of them."""


@define(eq=False)
class Descriptors:
    """The descriptors for connections, and how many of them are taken.

    A client counts twice, because its next request may need a connection to a provider. So every accepted client can be
    served, and the other descriptors are for unused connections to providers.

    Attributes:
        limit: all descriptors for connections.
        clients: connections of clients.
        unused: connections to providers that are kept for later requests.
    """

    limit: int = NO_LIMIT
    clients: int = 0
    unused: int = 0

    @classmethod
    def of_this_process(cls) -> Descriptors:
        """As many as the system allows; the limit is raised as far as possible, because its default is low."""
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
    """Raises the limit of open descriptors as far as the system allows; returns the limit."""
    if sys.platform == "win32":
        return SELECTED
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (ValueError, OSError):  # macOS reports a higher limit than it allows
            pass
    return NO_LIMIT if soft == resource.RLIM_INFINITY else soft
