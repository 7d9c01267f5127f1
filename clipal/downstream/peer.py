"""Where a connection, and a request on it, comes from."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from clipal.config.addresses import plain_host
from clipal.downstream.addresses import unmapped
from clipal.downstream.admission import is_loopback
from clipal.downstream.capacity import UNIX
from clipal.transport.tcp import EagerServer
from clipal.wire.message import RequestHead

_TRACES: Final = (b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip")
"""Fields that a proxy adds. A request with one comes from elsewhere, whatever address the proxy has."""


@frozen
class Peer:
    """Where a connection comes from.

    Attributes:
        address: an IP address, or `unix`.
        here: whether the connection comes from this machine; False where only a proxy says so.
        local_address: the IP address on which it came in; empty, as no Host is, for a UNIX socket.
    """

    address: str
    here: bool
    local_address: str = ""

    @classmethod
    def at(cls, host: str | None, local_address: str = "", *, by_proxy: bool = False) -> Peer:
        """The peer with the address `host`; None for a peer on a UNIX socket.

        Parameters:
            by_proxy: whether a proxy passed the connection on, and told the address.
        """
        if host is None:
            return cls(UNIX, not by_proxy, local_address)
        return cls(host, is_loopback(host) and not by_proxy, local_address)

    @classmethod
    def of(cls, transport: EagerServer) -> Peer:
        """The peer of a connection."""
        host = getattr(unmapped(transport.getPeer()), "host", None)
        local_host = getattr(transport.getHost(), "host", "")
        return cls.at(host, plain_host(local_host), by_proxy=transport.proxied)


def bears_proxy_trace(head: RequestHead) -> bool:
    """Whether a request has a field that a proxy adds."""
    table = head.table
    return any(name in table for name in _TRACES)
