"""IP addresses, each in one spelling, so that two that reach the same place compare as equal."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address


def plain_address(text: str) -> IPv4Address | IPv6Address:
    """The address that `text` is; `::ffff:127.0.0.1` reaches the same socket as `127.0.0.1` (RFC 4291, 2.5.5.2).

    Raises:
        ValueError: it is no address.
    """
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def plain_host(text: str) -> str:
    """A name in lower case, or an IP address in its usual spelling, without brackets."""
    try:
        return str(plain_address(text))
    except ValueError:
        return text.lower()


def is_loopback_address(text: str) -> bool:
    """Whether `text` is an IP address that only this machine reaches."""
    try:
        return plain_address(text).is_loopback
    except ValueError:
        return False
