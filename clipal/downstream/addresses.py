"""The addresses of a connection, as operators write them."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress

from clipal.config.addresses import plain_host


def unmapped(address: IAddress) -> IAddress:
    """`address`, or its IPv4 address where a socket of both families shows it as `::ffff:192.0.2.1`."""
    if not isinstance(address, IPv6Address):
        return address
    host = plain_host(address.host)
    return address if ":" in host else IPv4Address(address.type, host, address.port)
