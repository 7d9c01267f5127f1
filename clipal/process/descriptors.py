"""How many file descriptors there are, and so how many clients can be served at once."""

from __future__ import annotations

import sys
from typing import Final

RESERVED: Final = 32
"""Descriptors for what is no client's: the listener, log files, the reactor, connections that are kept for later."""
NO_LIMIT: Final = 100_000


def client_capacity() -> int:
    """Clients that can be served at once: each needs a descriptor, and another one for its provider.

    The limit is raised as far as the system lets us, for its default is meant for ordinary programs.
    """
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
    if soft == resource.RLIM_INFINITY:
        return NO_LIMIT
    return max(1, (soft - RESERVED) // 2)
