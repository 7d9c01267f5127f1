"""A provider's `base_url`, from text."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import Final

import idna

from clipal.config.model import BaseURL

_PORTS: Final = {"http": 80, "https": 443}
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?P<fragment>#.*)?",
    re.DOTALL,
)
_NAME = re.compile(r"(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}\.?")
_NUMBER = re.compile(r"(?:.*\.)?(?:0[Xx][0-9A-Fa-f]*|[0-9]+)\.?")
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{0,5}))?")


def parse_base_url(text: str) -> BaseURL:
    """Takes `text` apart; path and query stay as they are, except slashes at the path's end.

    Raises:
        ValueError: it is no such URL; the message does not repeat it, because it may hold a key.
    """
    if re.search(r"[\x00-\x20\x7f]", text):
        raise ValueError("a URL with white space or control characters")
    match = _URL.fullmatch(text)
    if match is None or match["scheme"].lower() not in _PORTS:
        raise ValueError("not a URL; write it as in https://api.example.com or http://127.0.0.1:8080/path")
    if "@" in match["authority"]:
        raise ValueError("a URL with a user name or password; put the key into api_key")
    if match["fragment"] is not None:
        raise ValueError("a URL with a fragment (#)")
    path, query = match["path"].rstrip("/"), match["query"] or ""
    if not (path + query).isascii():
        raise ValueError("a URL with characters that must be percent-encoded")
    scheme = match["scheme"].lower()
    host, port = parse_host_and_port(match["authority"])
    return BaseURL(scheme, host, port or _PORTS[scheme], path.encode("ascii"), query.encode("ascii"))


def parse_host_and_port(text: str) -> tuple[str, int | None]:
    """The host in its IDNA form, or an address without brackets; and the port, None where none is written.

    Raises:
        ValueError: it is malformed; the message does not repeat it.
    """
    authority = _AUTHORITY.fullmatch(text)
    if authority is None:
        raise ValueError("a URL whose host or port is malformed")
    port = int(authority["port"]) if authority["port"] else None
    if port is not None and not 1 <= port <= 65535:
        raise ValueError("a URL whose port is not between 1 and 65535")
    return _host(authority["host"]), port


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            return str(IPv6Address(text[1:-1]))
        except ValueError:
            raise ValueError("a URL whose IPv6 address is malformed") from None
    try:
        return str(ip_address(text))
    except ValueError:
        pass
    if not text:
        raise ValueError("a URL without a host")
    if _NUMBER.fullmatch(text):  # a resolver takes 127.1, 2130706433 and 0x7f000001 for 127.0.0.1
        raise ValueError("a URL whose IP address is malformed")
    try:
        if _NAME.fullmatch(text) and len(text) <= 253:
            idna.encode(text)  # a connection needs this: no hyphen at a label's end, no broken xn--
            return text.lower()
        return idna.encode(text, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise ValueError("a URL whose host name is malformed") from None
