"""Keeps the run from every network but loopback.

On Linux, where that is allowed, the whole run moves into a network namespace that has only loopback, so that the
clients, clipal and the upstreams see the same 127.0.0.1. Elsewhere the clients get variables that name a proxy on a
closed port; a client that ignores these is not held back. The report says which of the two it was.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from enum import Enum
from typing import Final

_INSIDE: Final = "CLIPAL_ACCEPTANCE_INSIDE"
_WAYS: Final = (("unshare", "--net"), ("unshare", "--user", "--map-root-user", "--net"))
"""The first needs root, the second a kernel that lets everybody have a user namespace."""

_GET_FLAGS: Final = 0x8913
_SET_FLAGS: Final = 0x8914
_UP: Final = 0x1
"""SIOCGIFFLAGS, SIOCSIFFLAGS and IFF_UP of Linux (netdevice(7))."""


class Isolation(Enum):
    """How the clients are kept from everything but loopback; the value is what the report says."""

    NAMESPACE = "a network namespace with nothing but loopback in it"
    PROXIES = "proxy variables that point at a closed port; a client that ignores them is not held back"

    def environment(self, closed: int) -> dict[str, str]:
        """Variables for the clients.

        Parameters:
            closed: a port of 127.0.0.1 on which no program listens.
        """
        if self is Isolation.NAMESPACE:
            return {}
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        variables = dict.fromkeys(names, f"http://127.0.0.1:{closed}") | {"NO_PROXY": "127.0.0.1,localhost"}
        return variables | {name.lower(): value for name, value in variables.items()}


def isolate(arguments: Sequence[str]) -> Isolation:
    """Starts this program again within a namespace, and does not return; returns where no namespace can be made.

    Parameters:
        arguments: the command line of the new program.
    """
    if os.environ.pop(_INSIDE, None):
        _loopback_up()
        return Isolation.NAMESPACE
    way = _way_in()
    if way is not None:
        command = [*way, sys.executable, "-m", "acceptance", *arguments]
        os.execvpe(command[0], command, {**os.environ, _INSIDE: "1"})
    return Isolation.PROXIES


def _way_in() -> tuple[str, ...] | None:
    """The first way that is permitted here."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return None
    return next((way for way in _WAYS if subprocess.run([*way, "true"], capture_output=True).returncode == 0), None)


def _loopback_up() -> None:
    """Switches loopback on, which is down in a new namespace, and checks that it is the only interface."""
    from fcntl import ioctl

    names = [name for _, name in socket.if_nameindex()]
    if names != ["lo"]:
        raise RuntimeError(f"the namespace has other interfaces than loopback: {', '.join(names)}")
    with socket.socket() as asking:
        (flags,) = struct.unpack_from("h", ioctl(asking, _GET_FLAGS, struct.pack("16s24x", b"lo")), 16)
        ioctl(asking, _SET_FLAGS, struct.pack("16sh22x", b"lo", flags | _UP))
