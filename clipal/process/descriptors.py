"""How many file descriptors there are for clients, for their providers, and for unused connections."""

from __future__ import annotations

import sys
from typing import Final

from attrs import define

_RESERVED: Final = 32
"""Descriptors for the listener, log files and the reactor, and for connections that are about to end."""
_NO_LIMIT: Final = 200_000
_SELECTED: Final = 512
"""Sockets that select() takes on Windows: CPython's FD_SETSIZE. With more, it fails for all of them."""
OF_CLIENT: Final = 2
"""Descriptors that a client takes: its next request may need a connection to a provider."""


@define(eq=False)
class Descriptors:
    """The descriptors for connections.

    A client takes `OF_CLIENT` of them, and an unused connection to a provider, which is kept for later requests, takes
    one. So every accepted client can be served, and the others are for unused connections.

    Attributes:
        free: how many are left.
    """

    free: int = _NO_LIMIT

    @classmethod
    def of_this_process(cls) -> Descriptors:
        """As many as the system allows; the limit is raised as far as possible, because its default is low."""
        return cls(max(OF_CLIENT, raise_limit() - _RESERVED))


def raise_limit() -> int:
    """Raises the limit of open descriptors as far as the system allows; returns the limit."""
    if sys.platform == "win32":
        return _SELECTED
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (ValueError, OSError):  # macOS reports a higher limit than it allows
            pass
    return _NO_LIMIT if soft == resource.RLIM_INFINITY else soft
