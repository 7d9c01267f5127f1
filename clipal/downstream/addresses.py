"""Where a connection comes from and came in, as operators know it."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress

from clipal.config.addresses import plain_host


def unmapped(address: IAddress) -> IAddress:
    """`address`, but IPv4 for one that a socket of both families shows as `::ffff:192.0.2.1`."""
    if not isinstance(address, IPv6Address):
        return address
    host = plain_host(address.host)
    return address if ":" in host else IPv4Address(address.type, host, address.port)
