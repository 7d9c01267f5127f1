"""Whether a provider is clipal itself."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from clipal.config.model import BaseURL, Settings


def is_self(url: BaseURL, settings: Settings) -> bool:
    """Whether requests to `url` would come back to a clipal that listens as `settings` say."""
    if url.port != settings.port:
        return False
    address = _plain(settings.listen_addr)
    host = url.host.removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        return address.is_loopback or address.is_unspecified
    try:
        target = _plain(host)
    except ValueError:
        return False
    if address.is_unspecified:
        return target.is_loopback or target.is_unspecified
    return target == address or target.is_unspecified


def _plain(text: str) -> IPv4Address | IPv6Address:
    """The address that `text` is; `::ffff:127.0.0.1` reaches the same socket as `127.0.0.1` (RFC 4291, 2.5.5.2)."""
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address
